"""Web pages over a recorded run or a live market: every page is a replay to some event. `app` makes them."""
