import { afterAll, beforeAll, describe } from "vitest";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { daemonRules } from "./daemon-rules.ts";
import { replicationRules } from "./replication-rules.ts";
import { statefulRules } from "./stateful-rules.ts";
import { TIMEOUT_MS } from "./workload-fixture.ts";

let plane: ControlPlane;

beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

describe("ReplicationControllers", { timeout: TIMEOUT_MS }, () => replicationRules(() => plane));
describe("DaemonSets", { timeout: TIMEOUT_MS }, () => daemonRules(() => plane));
describe("StatefulSets", { timeout: TIMEOUT_MS }, () => statefulRules(() => plane));
