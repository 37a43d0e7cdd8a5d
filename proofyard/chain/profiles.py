"""Chains by name, as the simulator knows them too: see `proofyard.worlds.chains`."""

from proofyard.worlds.chains import WEI, GasPrices, Profile, Staking, names, read

__all__ = ["WEI", "GasPrices", "Profile", "Staking", "names", "read"]
