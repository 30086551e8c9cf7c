"""The one exception for mistakes a user can mend."""


class UserError(Exception):
    """Bad input; the message names the file or key, the value, what is allowed and what to do."""
