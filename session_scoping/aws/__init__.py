"""
Facts about AWS as data: its actions, what each may do to whom, and the condition keys a request carries.

`data/` is generated and checked in (`make action-data`); `rules/` is what people judged, each with a reason. Standard
library only: constructs, agent and verifier all read it.
"""
