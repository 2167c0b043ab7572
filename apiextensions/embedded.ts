/** Validates the resources that are embedded in a custom resource. */
import { decodeJson } from "@raft2kube/api/codec/json.ts";
import { type FieldError, invalid, required } from "@raft2kube/api/errors.ts";
import type { ObjectMeta } from "@raft2kube/api/gen/meta/v1.ts";
import { validateMetadata } from "@raft2kube/api/validation/metadata.ts";
import { dns1035Label, pathSegment } from "@raft2kube/api/validation/names.ts";
import { isObject, type JsonObject } from "@raft2kube/apimachinery/json/json.ts";
import { memberSchema } from "./defaults.ts";
import { firstErrors } from "./findings.ts";
import type { Structural } from "./structural.ts";

/** The errors of embedded resources in an object, itself excepted. Their metadata is decoded. */
export function validateEmbedded(
  schema: Structural | undefined,
  value: unknown,
  path = "",
): FieldError[] {
  if (schema === undefined) return [];
  if (Array.isArray(value)) {
    return firstErrors(
      value.flatMap((item, index) => validateEmbedded(schema.items, item, `${path}[${index}]`)),
    );
  }
  if (!isObject(value)) return [];
  const own = schema.embedded ? validateResource(value, path) : [];
  return firstErrors([
    ...own,
    ...Object.entries(value).flatMap(([name, member]) => {
      const property = schema.properties?.get(name);
      if (property === undefined) {
        return validateEmbedded(memberSchema(schema), member, `${path}[${name}]`);
      }
      return validateEmbedded(property, member, path === "" ? name : `${path}.${name}`);
    }),
  ]);
}

function validateResource(value: JsonObject, path: string): FieldError[] {
  const errors = ["apiVersion", "kind"].flatMap((name) => {
    const at = `${path}.${name}`;
    const text = value[name];
    if (text === undefined) return [required(at)];
    if (typeof text !== "string") return [invalid(at, text, "must be a string")];
    if (text === "") return [invalid(at, text, "must not be empty")];
    if (name === "apiVersion") {
      return text.split("/").length <= 2
        ? []
        : [invalid(at, text, `unexpected GroupVersion string: ${text}`)];
    }
    const wrong = dns1035Label(text.toLowerCase());
    return wrong.length === 0
      ? []
      : [invalid(at, text, `may have mixed case, but should otherwise match: ${wrong.join(",")}`)];
  });
  if (!isObject(value["metadata"])) return errors;
  const { object } = decodeJson<ObjectMeta>("meta/v1.ObjectMeta", value["metadata"]);
  const metadata = { ...object, name: object.name || "fakename" };
  const namespaced = (metadata.namespace ?? "") !== "";
  const at = `${path}.metadata`;
  return [...errors, ...validateMetadata(metadata, namespaced, pathSegment, at, "any")];
}
