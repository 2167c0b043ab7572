import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { waitFor } from "../../testing/wait.ts";
import type { Place, Program } from "./program.ts";

const PEER = "dask-kubernetes";
const LIBRARIES = join(import.meta.dirname, "../../.peers", PEER, "lib");
const CLUSTERS = join(import.meta.dirname, "testdata/dask.yaml");
const TIMEOUT = "--timeout=120s";
const WITHIN = { timeout_ms: 120_000, interval_ms: 250 };

/** The definitions of its chart, which Python's package has in a folder of Python's version. */
async function definitions(): Promise<string> {
  const [python = ""] = await readdir(LIBRARIES);
  const operator = join(LIBRARIES, python, "site-packages/dask_kubernetes/operator");
  return join(operator, "deployment/helm/dask-kubernetes-operator/crds");
}

/** Waits until a cluster has so many workers, each of which is a Deployment. */
async function untilWorkers(place: Place, count: number): Promise<void> {
  const of = "dask.org/cluster-name=grid,dask.org/component=worker";
  const names = async () => place.kubectl("get", "deployments", "-l", of, "-o", "name");
  const areThere = async () => (await names()).split("\n").length - 1 === count;
  await waitFor(`${count} workers`, areThere, WITHIN);
}

/** The Dask operator: Python's frameworks kopf and kr8s, whose state is in annotations. */
export const dask: Program = {
  name: "Dask operator",
  version: "v2026.3.0",
  needs: [PEER],
  uses: [
    {
      use: "apply the definitions of its chart; start it",
      async run(place) {
        await place.kubectl("apply", "--server-side", "-f", await definitions());
        await place.kubectl("wait", "--for=condition=Established", "crd", "--all", TIMEOUT);
        const module = ["-m", "dask_kubernetes.operator.controller"];
        await place.start(PEER, "run", ...module, "--all-namespaces", "--standalone");
        await place.kubectl("apply", "--server-side", "-f", CLUSTERS);
      },
    },
    {
      use: "make a cluster of a scheduler, its Service and two workers",
      async run(place) {
        const running = "--for=jsonpath={.status.phase}=Running";
        await place.kubectl("wait", running, "daskcluster/grid", TIMEOUT);
        await untilWorkers(place, 2);
        await place.kubectl("rollout", "status", "deployment/grid-scheduler", TIMEOUT);
      },
    },
    {
      use: "add workers by the scale subresource; end some, for which it forwards a port",
      async run(place) {
        await place.kubectl("scale", "daskworkergroup/grid-default", "--replicas=3");
        await untilWorkers(place, 3);
        await place.kubectl("scale", "daskworkergroup/grid-default", "--replicas=1");
        await untilWorkers(place, 1);
      },
    },
    {
      use: "run a job in a cluster of its own, which goes with it",
      async run(place) {
        const successful = "--for=jsonpath={.status.jobStatus}=Successful";
        await place.kubectl("wait", successful, "daskjob/job", TIMEOUT);
        await place.kubectl("wait", "--for=delete", "daskcluster/job", TIMEOUT);
      },
    },
    {
      use: "remove a cluster with all that is of it, and its definitions",
      async run(place) {
        await place.kubectl("delete", "daskcluster/grid", TIMEOUT);
        await untilWorkers(place, 0);
        await place.kubectl("delete", "-f", await definitions(), TIMEOUT);
      },
    },
  ],
};
