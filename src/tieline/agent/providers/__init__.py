"""Speech and language providers behind the ports of `tieline.agent`.

May import `tieline.agent`, `tieline.model` and the foundations; each provider loads its own library lazily.
"""
