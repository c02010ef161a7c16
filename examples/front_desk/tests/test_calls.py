"""Real calls to the front desk, by the fixtures of Tieline's pytest plugin: pytest examples/front_desk/tests"""


def test_zero_leads_to_reception(call):
    talk = call(customer={"first_name": "Ada"}, shared_id="case-1")
    talk.hears("Hello Ada, this is Northwind.")
    talk.press("0")
    assert talk.handoff()["handoff_to"] == "reception"
    assert talk.bye_headers["X-destination"] == "reception"
    assert "put you through" in talk.spoken[-1]


def test_opening_hours_need_nobody(call):
    talk = call()
    talk.hears("press 1")
    talk.press("1")
    talk.hears("from nine to six")
    assert talk.ends() == "them"
    assert talk.termination()["reason"] == "agent_hung_up"


def test_a_caller_who_hangs_up(call):
    talk = call(behaviours=["dtmf-info"])
    talk.hears("press 2")
    talk.press("2")
    talk.hears("order", to_the_end=False)
    talk.hang_up(X_Disposition="bored")
    assert talk.termination()["reason"] == "caller_hung_up"
