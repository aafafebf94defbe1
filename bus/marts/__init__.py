"""Marts: what each consuming agency may read by SQL, views of the data fund under a role."""
