"""What the forms of customers and suppliers share: a country from the list, and a tax id that is one."""

from typing import Any

from core.admin.base import ChangeReasonForm
from core.admin.choosers import CodeField, CountryField
from customers.tax_ids import tax_id_problem, tidy_tax_id


class PartyForm(ChangeReasonForm):
    """What is stored and would be refused today is shown with a warning; it stands in nobody's way who changes
    something else."""

    country = CountryField(required=False, none="Unknown")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            if isinstance(field, CodeField):
                field.keep(getattr(self.instance, name))
        wrong = tax_id_problem(self.instance.tax_id, self.instance.country)
        if wrong:
            self.fields["tax_id"].help_text = f"{wrong} It can stay until it is known better."

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        tax_id = cleaned.get("tax_id") or ""
        if tax_id != self.initial.get("tax_id", ""):
            wrong = tax_id_problem(tax_id, cleaned.get("country") or "")
            if wrong:
                self.add_error("tax_id", wrong)
            cleaned["tax_id"] = tidy_tax_id(tax_id)
        return cleaned
