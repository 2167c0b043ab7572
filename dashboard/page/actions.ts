import { type AnyObject, get, send, serverNow_ms } from "./api.ts";
import { dependents } from "./dependents.ts";
import { drain, evictions } from "./drain.ts";
import { keyOf, type Target } from "./kinds.ts";
import { InputError } from "./text.ts";

/** An action on an object, shown with its preview before a person confirms it. */
export interface Action {
  title: string;
  fits(at: Target): boolean;
  /** Lists the effects. */
  preview(at: Target): Promise<string[]>;
  /** Values to choose from, or a number to enter. */
  field?: { label: string; values?(at: Target): Promise<string[]>; value?(at: Target): string };
  run(at: Target, value: string, report: (line: string) => void): Promise<void>;
}

const MERGE = "application/merge-patch+json";
const patch = (path: string, body: object, type = MERGE) => send("PATCH", path, body, type);
const isOf =
  (...keys: string[]) =>
  ({ kind }: Target) =>
    keys.includes(keyOf(kind));
const can = ({ kind }: Target, verb: string) => kind.verbs.includes(verb);
const template = ({ object }: Target) => object.spec?.["template"] as object | undefined;
const ROLLED = isOf("deployments.apps", "daemonsets.apps", "statefulsets.apps");

/** A number of a template of an object's, and what makes the object have it again. */
type Revision = { number: string; of: AnyObject };

async function revisions({ kind, object }: Target): Promise<Revision[]> {
  const { namespace = "", uid } = object.metadata;
  const isDeployment = kind.plural === "deployments";
  const plural = isDeployment ? "replicasets" : "controllerrevisions";
  const path = `/apis/apps/v1/namespaces/${encodeURIComponent(namespace)}/${plural}`;
  const { items } = await get<{ items: AnyObject[] }>(`${path}?limit=500`);
  return items
    .filter(({ metadata }) => metadata.ownerReferences?.some((each) => each.uid === uid))
    .map((of) => ({
      of,
      number: String(
        isDeployment
          ? of.metadata.annotations?.["deployment.kubernetes.io/revision"]
          : of["revision"],
      ),
    }))
    .sort((a, b) => Number(b.number) - Number(a.number));
}

async function rollBack(at: Target, number: string): Promise<void> {
  const found = (await revisions(at)).find((each) => each.number === number)?.of;
  if (!found) throw new InputError(`revision ${number} is no longer kept`);
  const data = found["data"] as object | undefined;
  if (data) return void (await patch(at.path, data, "application/strategic-merge-patch+json"));
  const value = structuredClone(found.spec?.["template"]) as AnyObject;
  delete value.metadata.labels?.["pod-template-hash"];
  const change = [{ op: "replace", path: "/spec/template", value }];
  await patch(at.path, change, "application/json-patch+json");
}

const unschedulable = (title: string, value: boolean, means: string): Action => ({
  title,
  fits: (at) => isOf("nodes")(at) && (at.object.spec?.["unschedulable"] === true) !== value,
  preview: async () => [means],
  run: async ({ path }) => void (await patch(path, { spec: { unschedulable: value || null } })),
});

export const ACTIONS: readonly Action[] = [
  {
    title: "Scale",
    fits: (at) => at.kind.subresources.includes("scale"),
    preview: async () => ["The number of pods changes."],
    field: { label: "Replicas", value: ({ object }) => String(object.spec?.["replicas"] ?? 1) },
    run: async ({ path }, value) =>
      void (await patch(`${path}/scale`, { spec: { replicas: Number(value) } })),
  },
  {
    title: "Restart",
    fits: (at) => ROLLED(at) && template(at) !== undefined,
    preview: async () => ["Its pods are replaced one after the other, as after a change."],
    run: async ({ path }) => {
      const at = new Date(serverNow_ms()).toISOString();
      const annotations = { "kubectl.kubernetes.io/restartedAt": at };
      await patch(path, { spec: { template: { metadata: { annotations } } } });
    },
  },
  {
    title: "Roll back",
    fits: ROLLED,
    preview: async (at) =>
      (await revisions(at)).map(
        ({ number, of }) =>
          `revision ${number}: ${of.metadata.name}, of ${of.metadata.creationTimestamp}`,
      ),
    field: {
      label: "To revision",
      values: async (at) => (await revisions(at)).slice(1).map(({ number }) => number),
    },
    run: rollBack,
  },
  unschedulable("Cordon", true, "No new pods come to this node; those on it stay."),
  unschedulable("Uncordon", false, "New pods may come to this node again."),
  { title: "Drain", fits: isOf("nodes"), preview: ({ object }) => evictions(object), run: drain },
  {
    title: "Delete",
    fits: (at) => can(at, "delete"),
    preview: (at) => dependents(at),
    run: async ({ path, object }) => {
      const { uid } = object.metadata;
      // Not another one of the same name that came in its place.
      await send("DELETE", path, { propagationPolicy: "Background", preconditions: { uid } });
    },
  },
];
