"""MariaDB, Redis, ZooKeeper and nginx from Debian's packages, in a private directory, on private ports."""
