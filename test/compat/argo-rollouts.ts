import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { releasedSources } from "./go-module.ts";
import { buildImage } from "./image.ts";
import { mustHave, type Place, type Program } from "./program.ts";

const IMAGE = "quay.io/argoproj/argo-rollouts:compat";
const ROLLOUTS = join(import.meta.dirname, "testdata/argo-rollouts.yaml");
const VERSION = "v1.9.2";
const MODULE = `github.com/argoproj/argo-rollouts@${VERSION}`;
const TIMEOUT = "--timeout=120s";

const changeTo = (place: Place, rollout: string, version: string) =>
  place.kubectl("patch", "rollout", rollout, "--type=merge", "-p", template(version));

const template = (version: string) =>
  JSON.stringify({ spec: { template: { metadata: { labels: { version } } } } });

const argo = (place: Place, ...args: string[]) => place.run("kubectl-argo-rollouts", ...args);

const phase = (place: Place, rollout: string, value: string) =>
  place.kubectl("wait", `--for=jsonpath={.status.phase}=${value}`, `rollout/${rollout}`, TIMEOUT);

/** The versions of the pods of an application that run, by their labels. */
const versions = (place: Place, app: string) =>
  place.kubectl(
    "get",
    "pods",
    "-l",
    `app=${app}`,
    "--field-selector=status.phase=Running",
    "-o=jsonpath={.items[*].metadata.labels.version}",
  );

/** Argo Rollouts: ReplicaSets and Services that follow steps, and Jobs that judge them. */
export const argoRollouts: Program = {
  name: "Argo Rollouts",
  version: VERSION,
  needs: ["rollouts-controller", "kubectl-argo-rollouts"],
  uses: [
    {
      use: "apply its published manifest, of 1.1 MB; start its controller",
      async run(place) {
        await buildImage(place, IMAGE, "rollouts-controller", "/bin/rollouts-controller");
        const manifest = join(await releasedSources(MODULE), "manifests/install.yaml");
        const input = (await readFile(manifest, "utf8"))
          .replace(/image: \S+\/argo-rollouts:latest/, `image: ${IMAGE}`) // not pulled
          .replace(/(argo-rollouts:compat\s+imagePullPolicy:) Always/, "$1 IfNotPresent");
        const inNamespace = ["-n", "argo-rollouts"];
        await place.kubectl("create", "namespace", "argo-rollouts");
        await place.kubectl("apply", "--server-side", ...inNamespace, "-f", "-", { input });
        const controller = ["deployment/argo-rollouts", ...inNamespace, TIMEOUT];
        await place.kubectl("rollout", "status", ...controller);
        await place.kubectl("apply", "-f", ROLLOUTS);
        await Promise.all(["canary", "blue-green"].map((name) => phase(place, name, "Healthy")));
      },
    },
    {
      use: "pause with a quarter of the pods changed; promote by its plugin, judged by a Job",
      async run(place) {
        await changeTo(place, "canary", "second");
        await phase(place, "canary", "Paused");
        mustHave(`<${await versions(place, "canary")}>`, "<second>");
        await argo(place, "promote", "canary");
        await phase(place, "canary", "Healthy");
        mustHave(await versions(place, "canary"), "second second second second");
      },
    },
    {
      use: "go back when the Job that judges fails",
      async run(place) {
        await place.kubectl("label", "--overwrite", "rollout/canary", "judged=1");
        await changeTo(place, "canary", "third");
        await phase(place, "canary", "Paused");
        await argo(place, "promote", "canary");
        await phase(place, "canary", "Degraded");
        await place.kubectl("wait", "--for=delete", "pods", "-l", "version=third", TIMEOUT);
        const four = "--for=jsonpath={.status.availableReplicas}=4";
        await place.kubectl("wait", four, "rollout/canary", TIMEOUT);
        mustHave(`<${await versions(place, "canary")}>`, "<second second second second>");
      },
    },
    {
      use: "switch a Service to the pods of a new version at once, and remove the old ones",
      async run(place) {
        const selected = () =>
          place.kubectl("get", "service/blue-green", "-o=jsonpath={.spec.selector}");
        const before = await selected();
        await changeTo(place, "blue-green", "second");
        await argo(place, "status", "blue-green", "--timeout=120s");
        await place.kubectl("wait", "--for=jsonpath={.status.replicas}=2", "rollout/blue-green");
        mustHave(await versions(place, "blue-green"), "second second");
        if ((await selected()) === before) throw new Error(`the Service still selects ${before}`);
      },
    },
  ],
};
