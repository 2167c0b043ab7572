/** The scale subresource of custom resources: replicas and a selector by their paths. */
import { type FieldError, invalid, numberText } from "@raft2kube/api/errors.ts";
import type { CustomResourceSubresourceScale } from "@raft2kube/api/gen/apiextensions/v1.ts";
import type { Scale } from "@raft2kube/api/gen/autoscaling/v1.ts";
import type { KubeObject, View } from "@raft2kube/api/kind.ts";
import { internal } from "@raft2kube/apimachinery/errors/catalog.ts";
import {
  isObject,
  type JsonObject,
  memberOf,
  setMember,
} from "@raft2kube/apimachinery/json/json.ts";

/** `.spec.replicas` as the names of members. */
export const pathOf = (text: string): readonly string[] => text.replace(/^\./, "").split(".");

const INT32_MAX = 2 ** 31 - 1;
const NUMBER = "int64";
const TEXT = "string";

type Found = { readonly value?: unknown; readonly wrong?: string };

/** The value at a path; nothing where a member is missing, an error where a type differs. */
function find(
  object: KubeObject,
  path: readonly string[],
  type: typeof NUMBER | typeof TEXT,
): Found {
  let at: unknown = object;
  const fail = (depth: number, expected: string): Found => ({
    wrong:
      `.${path.slice(0, depth).join(".")} accessor error: ${shown(at)} is of the type ` +
      `${goType(at)}, expected ${expected}`,
  });
  for (const [depth, name] of path.entries()) {
    if (at === null) return {};
    if (!isObject(at)) return fail(depth + 1, "map[string]interface{}");
    if (!Object.hasOwn(at, name)) return {};
    at = at[name];
  }
  const fits =
    type === TEXT ? typeof at === "string" : Number.isSafeInteger(at) || typeof at === "bigint";
  return fits ? { value: at } : fail(path.length, type);
}

function shown(value: unknown): string {
  if (typeof value === "number") return numberText(value);
  if (value === null) return "<nil>";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function goType(value: unknown): string {
  if (value === null) return "<nil>";
  if (Array.isArray(value)) return "[]interface {}";
  if (typeof value === "object") return "map[string]interface {}";
  if (typeof value === "bigint") return "int64";
  if (typeof value === "number") return Number.isSafeInteger(value) ? "int64" : "float64";
  return typeof value === "boolean" ? "bool" : typeof value;
}

function validateReplicas(object: KubeObject, path: string): FieldError[] {
  const { value, wrong } = find(object, pathOf(path), NUMBER);
  if (wrong !== undefined) return [invalid(path, 0, wrong)];
  const replicas = (value ?? 0) as number | bigint;
  if (replicas < 0) return [invalid(path, replicas, "should be a non-negative integer")];
  return replicas <= INT32_MAX
    ? []
    : [invalid(path, replicas, `should be less than or equal to ${INT32_MAX}`)];
}

/** The errors of the replicas of a spec. */
export const validateScaleSpec = (
  scale: CustomResourceSubresourceScale | undefined,
  object: KubeObject,
): FieldError[] => (scale === undefined ? [] : validateReplicas(object, scale.specReplicasPath));

/** The errors of the replicas and the selector of a status. */
export function validateScaleStatus(
  scale: CustomResourceSubresourceScale | undefined,
  object: KubeObject,
): FieldError[] {
  if (scale === undefined) return [];
  const errors = validateReplicas(object, scale.statusReplicasPath);
  const { labelSelectorPath } = scale;
  if (labelSelectorPath === undefined) return errors;
  const { wrong } = find(object, pathOf(labelSelectorPath), TEXT);
  return wrong === undefined ? errors : [...errors, invalid(labelSelectorPath, "", wrong)];
}

/** The Scale of a custom resource. One without replicas has none of them. */
export function customScaleView(scale: CustomResourceSubresourceScale): View<KubeObject> {
  const { specReplicasPath, statusReplicasPath, labelSelectorPath = "" } = scale;
  const read = (object: KubeObject, path: string, type: typeof NUMBER | typeof TEXT): unknown => {
    const { value, wrong } = find(object, pathOf(path), type);
    if (wrong !== undefined) throw internal(wrong);
    return value;
  };
  return {
    replicasPath: pathOf(specReplicasPath),
    missing: (object) =>
      read(object, specReplicasPath, NUMBER) === undefined ? specReplicasPath : undefined,
    read(object): Scale {
      const wanted = read(object, specReplicasPath, NUMBER) ?? 0;
      const selector =
        labelSelectorPath === "" ? "" : (read(object, labelSelectorPath, TEXT) ?? "");
      const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
      const metadata = { name, namespace, uid, resourceVersion, creationTimestamp };
      return {
        kind: "Scale",
        apiVersion: "autoscaling/v1",
        metadata: Object.fromEntries(
          Object.entries(metadata).filter(([, each]) => each !== undefined),
        ),
        spec: wanted === 0 ? {} : { replicas: wanted as number },
        status: {
          replicas: (read(object, statusReplicasPath, NUMBER) ?? 0) as number,
          ...(selector === "" ? {} : { selector: selector as string }),
        },
      };
    },
    /** Numbers that are too small or too large are errors of the object itself. */
    write(object, view): FieldError[] {
      const replicas = (view as Scale).spec?.replicas ?? 0;
      put(object as unknown as JsonObject, pathOf(specReplicasPath), replicas);
      return [];
    },
  };
}

/** Sets the value at a path; members on the way are made. Throws 500 where one is no object. */
function put(object: JsonObject, path: readonly string[], value: unknown): void {
  let at = object;
  for (const [depth, name] of path.slice(0, -1).entries()) {
    let next = memberOf(at, name);
    if (next === undefined) setMember(at, name, (next = {}));
    if (!isObject(next)) {
      throw internal(
        "value cannot be set because " +
          `.${path.slice(0, depth + 1).join(".")} is not a map[string]interface{}`,
      );
    }
    at = next;
  }
  setMember(at, path.at(-1)!, value);
}
