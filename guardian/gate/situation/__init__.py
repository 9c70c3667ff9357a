"""What guardian knows beside a reply: what it holds, what the policy leaves of each cap, and what waits."""
