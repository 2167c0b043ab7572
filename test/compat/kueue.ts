import { join } from "node:path";
import { releasedSources } from "./go-module.ts";
import { buildImage } from "./image.ts";
import { mustHave, type Place, type Program } from "./program.ts";

const IMAGE = "registry.k8s.io/kueue/kueue:compat";
const QUEUES = join(import.meta.dirname, "testdata/kueue.yaml");
const PENDING = "/apis/visibility.kueue.x-k8s.io/v1beta2/clusterqueues/compat/pendingworkloads";
const VERSION = "v0.17.0";
const MODULE = `sigs.k8s.io/kueue@${VERSION}`;

const job = (place: Place, name: string, seconds: number) =>
  place.kubectl("create", "job", name, "--image=r2k.local/busybox:1", "--", "sleep", `${seconds}`);

const waitFor = (place: Place, condition: string, ...what: string[]) =>
  place.kubectl("wait", `--for=${condition}`, ...what, "--timeout=60s");

/** Kueue: Jobs wait for a quota; webhooks for all that has pods, and an aggregated API. */
export const kueue: Program = {
  name: "Kueue",
  version: VERSION,
  needs: ["kueue"],
  uses: [
    {
      use: "apply its published manifest; start its manager, whose webhooks make certificates",
      async run(place) {
        await buildImage(place, IMAGE, "kueue", "/manager");
        const built = await place.kubectl(
          "kustomize",
          join(await releasedSources(MODULE), "config/default"),
        );
        const input = built
          .replace(/image: \S+\/kueue:main/, `image: ${IMAGE}`) // a branch's is published
          .replace("imagePullPolicy: Always", "imagePullPolicy: IfNotPresent");
        await place.kubectl("apply", "--server-side", "-f", "-", { input });
        const manager = ["deployment/kueue-controller-manager", "-n", "kueue-system"];
        await place.kubectl("rollout", "status", ...manager, "--timeout=300s");
        await place.kubectl("apply", "-f", QUEUES);
        await waitFor(place, "condition=Active", "clusterqueue/compat", "localqueue/default");
      },
    },
    {
      use: "admit a Job within a quota; suspend the next, and list it by its aggregated API",
      async run(place) {
        await job(place, "first", 600);
        await waitFor(place, "jsonpath={.status.active}=1", "job/first");
        await job(place, "next", 1);
        await waitFor(place, "condition=Suspended", "job/next");
        mustHave(await place.kubectl("get", "--raw", PENDING), '"name":"job-next');
      },
    },
    {
      use: "preempt a Job for one that gets a higher priority",
      async run(place) {
        await place.kubectl("label", "job", "next", "kueue.x-k8s.io/priority-class=urgent");
        await waitFor(place, "condition=Complete", "job/next");
        const events = ["get", "events", "--field-selector=reason=Preempted"];
        mustHave(await place.kubectl(...events), "workload/job-first");
      },
    },
  ],
};
