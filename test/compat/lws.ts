import { join } from "node:path";
import { waitFor } from "../../testing/wait.ts";
import { releasedSources } from "./go-module.ts";
import { buildImage } from "./image.ts";
import { mustHave, type Place, type Program } from "./program.ts";

const VERSION = "v0.7.0";
const MODULE = `sigs.k8s.io/lws@${VERSION}`;
const IMAGE = "us-central1-docker.pkg.dev/k8s-staging-images/lws/lws:main";
const GROUPS = join(import.meta.dirname, "testdata/lws.yaml");
const TIMEOUT = "--timeout=180s";
const WITHIN = { timeout_ms: 180_000 };

/** Waits until so many groups are ready, each of a leader and two workers. */
async function untilReady(place: Place, groups: number): Promise<void> {
  const ready = [`--for=jsonpath={.status.readyReplicas}=${groups}`, "lws/groups", TIMEOUT];
  await place.kubectl("wait", ...ready);
  const labels = "leaderworkerset.sigs.k8s.io/name=groups";
  const pods = await place.kubectl("get", "pods", "-l", labels, "-o", "name");
  const names = pods.trim().split("\n");
  if (names.length !== 3 * groups) throw new Error(`pods of ${groups} groups are ${pods}`);
}

const uidOf = (place: Place, pod: string) =>
  place.kubectl("get", "pod", pod, "-o=jsonpath={.metadata.uid}");

/** LeaderWorkerSet: groups of pods, a StatefulSet of leaders and one of workers for each. */
export const lws: Program = {
  name: "LeaderWorkerSet",
  version: VERSION,
  needs: ["lws"],
  uses: [
    {
      use: "apply its published configuration; start two managers, one of which leads",
      async run(place) {
        await buildImage(place, IMAGE, "lws", "/manager");
        const folder = join(await releasedSources(MODULE), "config/default");
        await place.kubectl("apply", "--server-side", "-k", folder);
        const manager = ["deployment/lws-controller-manager", "-n", "lws-system", TIMEOUT];
        await place.kubectl("rollout", "status", ...manager);
      },
    },
    {
      use: "start two groups of three pods, whose workers find their leader by its name",
      async run(place) {
        // Its Deployment is ready before its webhook serves.
        const apply = () => place.kubectl("apply", "--server-side", "-f", GROUPS);
        await waitFor("its webhook", apply, WITHIN);
        await untilReady(place, 2);
      },
    },
    {
      use: "make a group again when a worker of it is gone, and only that",
      async run(place) {
        const [other, leader] = [await uidOf(place, "groups-0"), await uidOf(place, "groups-1")];
        await place.kubectl("delete", "pod", "groups-1-2", TIMEOUT);
        const isGone = async () => (await uidOf(place, "groups-1").catch(() => leader)) !== leader;
        await waitFor("another leader", isGone, WITHIN);
        await untilReady(place, 2);
        mustHave(await uidOf(place, "groups-0"), other);
      },
    },
    {
      use: "scale it by its scale subresource, and remove it with all of its pods",
      async run(place) {
        await place.kubectl("scale", "lws/groups", "--replicas=3");
        await untilReady(place, 3);
        await place.kubectl("delete", "lws/groups", "--cascade=foreground", TIMEOUT);
        await place.kubectl("wait", "--for=delete", "pod/groups-2-2", TIMEOUT);
      },
    },
  ],
};
