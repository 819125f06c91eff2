"""Who is there: how the processes of a cluster find each other."""
