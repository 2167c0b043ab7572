import { hostileVolumeRules } from "./hostile-volume-rules.ts";
import { ours } from "./ours.ts";
import { startingRules } from "./starting-rules.ts";
import { criContract } from "./suite.ts";
import { timeRules } from "./time-rules.ts";
import { userNamespaceRules } from "./user-namespace-rules.ts";

criContract("our runtime over crun", ours("crun"));
criContract("our runtime, in its own ways", ours("crun"), [
  startingRules,
  hostileVolumeRules,
  userNamespaceRules,
  timeRules,
]);
