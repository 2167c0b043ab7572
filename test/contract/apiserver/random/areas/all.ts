import type { Random } from "@raft2kube/std/random.ts";
import type { Step } from "../step.ts";
import { deletesSteps } from "./deletes.ts";
import { listsSteps, watchesSteps } from "./lists.ts";
import { ownersSteps } from "./owners.ts";
import { requestsSteps } from "./requests.ts";

/** Generators of sequences, by the area's name on the command line. */
export const AREAS: Readonly<Record<string, (random: Random) => Step[]>> = {
  owners: ownersSteps,
  lists: listsSteps,
  watches: watchesSteps,
  deletes: deletesSteps,
  requests: requestsSteps,
};
