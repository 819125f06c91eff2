"""XinYu's domain: a package a service (message, talk, user, ...), and the composition root in cli."""
