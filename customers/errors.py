"""What can go wrong with customers."""

from core.errors import Conflict, PreconditionFailed


class KeyTaken(Conflict):
    """Another customer has this key."""

    default_code = "customer_key_taken"


class SubjectTaken(Conflict):
    """Another customer's usage comes under this subject."""

    default_code = "subject_taken"


class CustomerDeleted(PreconditionFailed):
    """A deleted customer can't be changed."""

    default_code = "customer_deleted"


class ProfileArchived(PreconditionFailed):
    """An archived profile takes no customers."""

    default_code = "profile_archived"


class DefaultProfile(Conflict):
    """The default profile must stay in use."""

    default_code = "default_profile"


class ProfileInUse(Conflict):
    """Customers or invoices need the profile."""

    default_code = "profile_in_use"


class ProfileDeleted(PreconditionFailed):
    """A deleted profile can't be changed."""

    default_code = "profile_deleted"


class SupplierKeyTaken(Conflict):
    """Another supplier has this key."""

    default_code = "supplier_key_taken"


class SupplierInUse(Conflict):
    """Profiles or invoices refer to the supplier."""

    default_code = "supplier_in_use"
