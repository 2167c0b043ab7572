import { afterAll, beforeAll, describe } from "vitest";
import { daemonRules } from "./daemon-rules.ts";
import { replicationRules } from "./replication-rules.ts";
import { statefulRules } from "./stateful-rules.ts";
import { TIMEOUT_MS } from "./workload-trial.ts";
import { startWorld, type World } from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

describe("ReplicationControllers", { timeout: TIMEOUT_MS }, () => replicationRules(() => world));
describe("DaemonSets", { timeout: TIMEOUT_MS }, () => daemonRules(() => world));
describe("StatefulSets", { timeout: TIMEOUT_MS }, () => statefulRules(() => world));
