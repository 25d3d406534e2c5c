"""Recurrent A2C with contrastive auxiliary losses: the library. Import the modules you need; nothing runs here."""

from cpc_rl import interrupts, openmp, shadowing

if shadowing.starts_a_program():
    interrupts.be_brief()
    openmp.sleep_soon()
    shadowing.refuse()
