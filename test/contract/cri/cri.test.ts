import { ours } from "./ours.ts";
import { startingRules } from "./starting-rules.ts";
import { criContract } from "./suite.ts";

criContract("our runtime over crun", ours("crun"));
criContract("our runtime while it starts a container", ours("crun"), [startingRules]);
