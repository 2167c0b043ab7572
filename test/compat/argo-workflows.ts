import { join } from "node:path";
import { releasedSources } from "./go-module.ts";
import { buildImage } from "./image.ts";
import { mustHave, type Place, type Program, refusal } from "./program.ts";

const VERSION = "v3.7.4";
const MODULE = `github.com/argoproj/argo-workflows/v3@${VERSION}`;
const REGISTRY = "quay.io/argoproj";
/** Programs of `.peers/bin` by their images. */
const IMAGES = { "workflow-controller:latest": "workflow-controller", "argocli:latest": "argo" };
const WORKFLOWS = join(import.meta.dirname, "testdata/argo-workflows.yaml");
/** Files of its quick start, by which the account that runs workflows has its rights. */
const RIGHTS = [
  "executor/emissary/executor-role",
  "executor-default-rolebinding",
  "agent-role",
  "agent-default-rolebinding",
  "default.service-account-token-secret",
];
const TIMEOUT = "--timeout=180s";

const manifests = async () => join(await releasedSources(MODULE), "manifests");

const argo = (place: Place, ...args: string[]) => place.run("argo", ...args);

const phase = (place: Place, workflow: string, value: string) =>
  place.kubectl("wait", `--for=jsonpath={.status.phase}=${value}`, `workflow/${workflow}`, TIMEOUT);

const podsGo = (place: Place, workflow: string) => {
  const pods = ["pods", "-l", `workflows.argoproj.io/workflow=${workflow}`];
  return place.kubectl("wait", "--for=delete", ...pods, TIMEOUT);
};

/** Argo Workflows: pods in an order, whose programs run below its executor. */
export const argoWorkflows: Program = {
  name: "Argo Workflows",
  version: VERSION,
  needs: [...Object.values(IMAGES), "argoexec"],
  uses: [
    {
      use: "apply its full definitions, of 7.5 MB, and its manifests; start its controller and server",
      async run(place) {
        for (const [image, program] of Object.entries(IMAGES))
          await buildImage(place, `${REGISTRY}/${image}`, program, `/bin/${program}`);
        // A build without a version asks for this image; it writes to /tmp.
        const executor = [`${REGISTRY}/argoexec:v0.0.0`, "argoexec", "/bin/argoexec"] as const;
        await buildImage(place, ...executor, undefined, "r2k.local/busybox:1");
        const folder = await manifests();
        const definitions = join(folder, "base/crds/full");
        await place.kubectl("apply", "--server-side", "-k", definitions);
        const built = await place.kubectl("kustomize", join(folder, "cluster-install-no-crds"));
        const input = built.replaceAll(
          /( +)(image: .*:latest)/g,
          "$1$2\n$1imagePullPolicy: IfNotPresent",
        );
        await place.kubectl("create", "namespace", "argo");
        await place.kubectl("apply", "--server-side", "-f", "-", { input });
        for (const name of ["workflow-controller", "argo-server"])
          await place.kubectl("rollout", "status", `deployment/${name}`, "-n", "argo", TIMEOUT);
      },
    },
    {
      use: "run tasks as their results allow, one for each item of a list, on a claim of the run",
      async run(place) {
        const base = join(await manifests(), "quick-start/base");
        for (const name of RIGHTS)
          await place.kubectl("apply", "--server-side", "-f", join(base, `${name}.yaml`));
        await place.kubectl("apply", "--server-side", "-f", WORKFLOWS);
        await phase(place, "summed", "Succeeded");
        const logs = await argo(place, "logs", "summed", "--no-color");
        if (!/^summed-sum-\d+: 24$/m.test(logs)) throw new Error(logs);
      },
    },
    {
      use: "ask a server among the pods, again after a failure, beside a sidecar, and by its agent",
      async run(place) {
        await phase(place, "served", "Succeeded");
        await podsGo(place, "served");
      },
    },
    {
      use: "wait until a person resumes it, then await a Job that its exit handler makes",
      async run(place) {
        await phase(place, "held", "Running");
        await argo(place, "resume", "held");
        await argo(place, "wait", "held");
        const after = "-o=jsonpath={.metadata.labels.after} {.status.succeeded}";
        mustHave(await place.kubectl("get", "job", "last", after), "Succeeded 1");
      },
    },
    {
      use: "stop a run by signals to its containers, and remove it when its time is up",
      async run(place) {
        await phase(place, "endless", "Running");
        await argo(place, "stop", "endless");
        await place.kubectl("wait", "--for=delete", "workflow/endless", TIMEOUT);
        await podsGo(place, "endless");
      },
    },
    {
      use: "start a template by the clock until three runs succeeded, and remove what it ran",
      async run(place) {
        const stopped = "--for=jsonpath={.status.phase}=Stopped";
        await place.kubectl("wait", stopped, "cronworkflow/often", TIMEOUT);
        await place.kubectl("delete", "cronworkflow", "often", TIMEOUT);
        const runs = ["workflows", "-l", "workflows.argoproj.io/cron-workflow=often"];
        await place.kubectl("wait", "--for=delete", ...runs, TIMEOUT);
      },
    },
    {
      use: "refuse a workflow whose field its definition lacks; remove all with the definitions",
      async run(place) {
        const object = { apiVersion: "argoproj.io/v1alpha1", kind: "Workflow" };
        const spec = {
          templates: [{ name: "one", container: { image: "one", comand: ["true"] } }],
        };
        const input = JSON.stringify({ ...object, metadata: { name: "one" }, spec });
        const refused = await refusal(place.kubectl("create", "-f", "-", { input }));
        mustHave(refused, 'unknown field "spec.templates[0].container.comand"');
        const folder = await manifests();
        await place.kubectl("delete", "workflows", "--all", TIMEOUT);
        await place.kubectl("delete", "-k", join(folder, "base/crds/full"), TIMEOUT);
        await place.kubectl("delete", "-k", join(folder, "cluster-install-no-crds"), TIMEOUT);
        await place.kubectl("delete", "namespace", "argo", TIMEOUT);
      },
    },
  ],
};
