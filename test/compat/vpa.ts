import { join } from "node:path";
import { releasedSources } from "./go-module.ts";
import { buildImage } from "./image.ts";
import { mustHave, type Place, type Program } from "./program.ts";

const VERSION = "v1.8.1";
const MODULE = `k8s.io/autoscaler/vertical-pod-autoscaler@${VERSION}`;
const PARTS = ["recommender", "updater", "admission-controller"];
const SIZED = join(import.meta.dirname, "testdata/vpa.yaml");

const PODS = ["pods", "-l", "app=sized"];
/** The memory of the least recommendation of VPA. */
const LEAST_MEMORY = "250Mi";

const names = (place: Place) => place.kubectl("get", ...PODS, "-o", "name");

const waitFor = (place: Place, condition: string, ...what: string[]) =>
  place.kubectl("wait", `--for=${condition}`, ...what, "--timeout=300s");

/** VPA: measures pods by metrics.k8s.io, and gives them what they need, in place. */
export const vpa: Program = {
  name: "VPA",
  version: VERSION,
  needs: PARTS.map((part) => `vpa-${part}`),
  uses: [
    {
      use: "apply its published manifest; start its three parts, whose webhook gets certificates",
      async run(place) {
        for (const part of PARTS) {
          const image = `registry.k8s.io/autoscaling/vpa-${part}:${VERSION.slice(1)}`;
          await buildImage(place, image, `vpa-${part}`, `/${part}`);
        }
        const sources = await releasedSources(MODULE);
        await place.run("/bin/bash", join(sources, "pkg/admission-controller/gencerts.sh"));
        await place.kubectl("apply", "--server-side", "-k", join(sources, "deploy"));
        for (const part of PARTS) {
          const deployment = [`deployment/vpa-${part}`, "-n", "kube-system"];
          await place.kubectl("rollout", "status", ...deployment, "--timeout=120s");
        }
      },
    },
    {
      use: "recommend what the pods of a Deployment need, by metrics of the cluster",
      async run(place) {
        await place.kubectl("apply", "-f", SIZED);
        await place.kubectl("rollout", "status", "deployment/sized", "--timeout=60s");
        await waitFor(place, "condition=RecommendationProvided", "vpa/sized");
      },
    },
    {
      use: "resize the running pods in place",
      async run(place) {
        const before = await names(place);
        const resources = ".status.containerStatuses[0].resources.requests.memory";
        await waitFor(place, `jsonpath={${resources}}=${LEAST_MEMORY}`, ...PODS);
        mustHave(await names(place), before);
        const restarts = "{.items[*].status.containerStatuses[0].restartCount}";
        mustHave(await place.kubectl("get", ...PODS, `-o=jsonpath=${restarts}`), "0 0");
      },
    },
    {
      use: "size a pod by its webhook when it is created",
      async run(place) {
        await place.kubectl("delete", ...PODS);
        await place.kubectl("rollout", "status", "deployment/sized", "--timeout=60s");
        const requests = "{.items[*].spec.containers[0].resources.requests.memory}";
        const found = await place.kubectl("get", ...PODS, `-o=jsonpath=${requests}`);
        mustHave(found, `${LEAST_MEMORY} ${LEAST_MEMORY}`);
      },
    },
  ],
};
