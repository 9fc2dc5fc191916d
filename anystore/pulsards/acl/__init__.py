"""Access control: who may log in, and which commands, keys and channels each may use.

`rules` is the language that users are described in, `users` what a user is, `permissions` whether one may run a
command, `log` what was refused, `control` all of it for one server.
"""

from anystore.pulsards.acl.control import AccessControl
from anystore.pulsards.acl.files import load_configured_users, load_users, save_users
from anystore.pulsards.acl.log import AclLog, Refused
from anystore.pulsards.acl.permissions import Denial
from anystore.pulsards.acl.rules import RuleError, Selector
from anystore.pulsards.acl.users import User

__all__ = (
    "AccessControl",
    "AclLog",
    "Denial",
    "Refused",
    "RuleError",
    "Selector",
    "User",
    "load_configured_users",
    "load_users",
    "save_users",
)
