"""Trunks: the peers that send us calls, one of them in full, and the form that makes and changes one."""
