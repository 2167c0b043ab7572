import { inject } from "vitest";
import { TestCluster } from "./cluster.ts";
import { OwnHost } from "./own-host.ts";
import { SHARED } from "./shared-host.ts";

/**
 * The cluster that test files share, seen from a new namespace: `afterAll` calls its `leave`. The
 * first file starts it. A file may kill its processes: for the next one they are started again.
 */
export async function sharedCluster(namespace: string): Promise<TestCluster> {
  const host = OwnHost.at(inject("sharedHost"));
  const cluster = await TestCluster.joinIn(host, SHARED, ["--no-demo", "--by-hand"]);
  return await cluster.inNamespace(namespace);
}
