import { inject } from "vitest";
import { TestCluster } from "./cluster.ts";
import { OwnHost } from "./own-host.ts";
import { SHARED } from "./shared-host.ts";

/** A registry where nothing listens. */
export const NO_REGISTRY = "registry.example.com";
const REGISTRY_FLAGS = ["--registry", `${NO_REGISTRY}=http://127.0.0.1:9`];

/**
 * The cluster that test files share, seen from a new namespace: `afterAll` calls its `leave`. The
 * first file starts it. A file may kill its processes: for the next one they are started again.
 */
export async function sharedCluster(namespace: string): Promise<TestCluster> {
  const host = OwnHost.at(inject("sharedHost"));
  const cluster = await TestCluster.joinIn(host, SHARED, [
    "--no-demo",
    "--by-hand",
    ...REGISTRY_FLAGS,
  ]);
  return await cluster.inNamespace(namespace);
}
