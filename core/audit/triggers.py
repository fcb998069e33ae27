"""What keeps the audit trail append-only in the database, as it stands now."""

from core.triggers import Function, Trigger

FUNCTIONS = (
    Function(
        "audit_refuse_change",
        body="""\
BEGIN
    RAISE EXCEPTION 'The audit trail takes inserts only.' USING ERRCODE = 'restrict_violation';
END""",
    ),
)

TRIGGERS = (
    Trigger(
        "audit_append_only",
        table="audit_auditentry",
        on="BEFORE UPDATE OR DELETE",
        how="FOR EACH STATEMENT",
        function="audit_refuse_change",
    ),
)
