import { join } from "node:path";
import { waitFor } from "../../testing/wait.ts";
import { releasedSources } from "./go-module.ts";
import { buildImage } from "./image.ts";
import { mustHave, type Place, type Program, refusal } from "./program.ts";

const VERSION = "v2.20.2";
const MODULE = `github.com/kedacore/keda/v2@${VERSION}`;
/** Programs of `.peers/bin` by their images. */
const IMAGES = {
  keda: "keda",
  "keda-metrics-apiserver": "keda-adapter",
  "keda-admission-webhooks": "keda-admission-webhooks",
};
const DEPLOYMENTS = ["keda-operator", "keda-metrics-apiserver", "keda-admission"];
const API = "/apis/external.metrics.k8s.io/v1beta1";
const SCALED = join(import.meta.dirname, "testdata/keda.yaml");
const TIMEOUT = "--timeout=180s";
const WITHIN = { timeout_ms: 180_000, interval_ms: 250 };

/** Builds its configuration; branches are pulled always, which images that are made here are not. */
async function configuration(place: Place): Promise<string> {
  const folder = join(await releasedSources(MODULE), "config/default");
  const built = await place.kubectl("kustomize", folder);
  return built.replaceAll("imagePullPolicy: Always", "imagePullPolicy: IfNotPresent");
}

const ask = (place: Place, pods: number) =>
  place.kubectl("scale", "deployment/asking", `--replicas=${pods}`);

/** KEDA: HPAs by external metrics, which its aggregated API serves, and Jobs. */
export const keda: Program = {
  name: "KEDA",
  version: VERSION,
  needs: Object.values(IMAGES),
  uses: [
    {
      use: "apply its published configuration; start its operator, webhooks and aggregated API",
      async run(place) {
        for (const [name, program] of Object.entries(IMAGES))
          await buildImage(place, `ghcr.io/kedacore/${name}:main`, program, `/${program}`);
        const input = await configuration(place);
        await place.kubectl("apply", "--server-side", "-f", "-", { input });
        for (const name of DEPLOYMENTS)
          await place.kubectl("rollout", "status", `deployment/${name}`, "-n", "keda", TIMEOUT);
        const service = "apiservice/v1beta1.external.metrics.k8s.io";
        await place.kubectl("wait", "--for=condition=Available", service, TIMEOUT);
        await place.kubectl("apply", "--server-side", "-f", SCALED);
        await place.kubectl("wait", "--for=condition=Ready", "scaledobject/answering", TIMEOUT);
      },
    },
    {
      use: "scale a Deployment from none by an HPA that it makes, which asks for its metrics",
      async run(place) {
        await ask(place, 3);
        const three = "--for=jsonpath={.status.replicas}=3";
        await place.kubectl("wait", three, "deployment/answering", TIMEOUT);
        const name = "-o=jsonpath={.status.externalMetricNames[0]}";
        const metric = await place.kubectl("get", "scaledobject/answering", name);
        const of = "labelSelector=scaledobject.keda.sh%2Fname%3Danswering";
        const path = `${API}/namespaces/default/${metric}?${of}`;
        mustHave(await place.kubectl("get", "--raw", path), '"value":"3"');
      },
    },
    {
      use: "start as many Jobs as there is to do",
      async run(place) {
        const jobs = ["get", "jobs", "-l", "scaledjob.keda.sh/name=counted", "-o", "name"];
        const areThree = async () => (await place.kubectl(...jobs)).trim().split("\n").length === 3;
        await waitFor("three Jobs", areThree, WITHIN);
        await place.kubectl("delete", "scaledjob", "counted", TIMEOUT);
        const isEmpty = async () => (await place.kubectl(...jobs)).trim() === "";
        await waitFor("no Job", isEmpty, WITHIN);
      },
    },
    {
      use: "refuse a second ScaledObject of a Deployment by its webhook",
      async run(place) {
        const metadata = { podSelector: "a=b", value: "1" };
        const trigger = { type: "kubernetes-workload", metadata };
        const spec = { scaleTargetRef: { name: "answering" }, triggers: [trigger] };
        const object = { apiVersion: "keda.sh/v1alpha1", kind: "ScaledObject", spec };
        const input = JSON.stringify({ ...object, metadata: { name: "second" } });
        const created = place.kubectl("create", "-f", "-", { input });
        mustHave(await refusal(created), "already managed by");
      },
    },
    {
      use: "scale it to none when nothing asks, and to what it was when its object goes",
      async run(place) {
        await ask(place, 0);
        await place.kubectl("wait", "--for=delete", "pods", "-l", "app=answering", TIMEOUT);
        await place.kubectl("delete", "scaledobject", "answering", TIMEOUT);
        const one = "--for=jsonpath={.status.replicas}=1";
        await place.kubectl("wait", one, "deployment/answering", TIMEOUT);
        await place.kubectl("wait", "--for=delete", "hpa/keda-hpa-answering", TIMEOUT);
      },
    },
    {
      use: "remove its definitions, and the API, with all that is of them",
      async run(place) {
        const input = await configuration(place);
        await place.kubectl("delete", "--ignore-not-found", TIMEOUT, "-f", "-", { input });
      },
    },
  ],
};
