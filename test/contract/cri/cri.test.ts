import { ours } from "./ours.ts";
import { criContract } from "./suite.ts";

criContract("our runtime over crun", ours("crun"));
