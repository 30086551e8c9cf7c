"""Tables and statistics: from the results tree to what may be said about RankMe."""
