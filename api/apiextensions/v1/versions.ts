/** The versions of a custom resource: schema, subresources, columns, selectable fields. */
import type {
  CustomResourceColumnDefinition, CustomResourceDefinitionVersion, CustomResourceSubresources,
  SelectableField,
} from "../../gen/apiextensions/v1.ts";
import { duplicate, invalid, required, tooMany, type FieldError } from "../../errors.ts";
import { dns1035Label } from "../../validation/names.ts";
import { schemaAt, validateSchema } from "./structural-schema.ts";

type Version = CustomResourceDefinitionVersion;

const COLUMN_TYPES = ["integer", "number", "string", "boolean", "date"];
const COLUMN_FORMATS = [
  "int32", "int64", "float", "double", "byte", "date", "date-time", "password",
];
const SELECTABLE_TYPES = ["string", "integer", "boolean"];
const SELECTABLE_MAX = 8;
const COLUMNS = "additionalPrinterColumns";
const PATH = /^(\.[A-Za-z_$][\w$-]*|\[[^\]]*\])+$/;

/**
 * Where complaints about a part of a version point to: upstream keeps what all versions share
 * once, under another name.
 */
function pathOf(
  versions: readonly Version[], index: number, part: keyof Version, shared: string,
): string {
  const serialized = versions.map((each) => JSON.stringify(each[part]));
  return serialized.every((each) => each === serialized[0])
    ? `spec.${shared}` : `spec.versions[${index}].${part}`;
}

function validateColumn(column: CustomResourceColumnDefinition, path: string): FieldError[] {
  const { name, type, format = "", jsonPath } = column;
  const errors: FieldError[] = name === "" ? [required(`${path}.name`)] : [];
  if (type === "") {
    errors.push(required(`${path}.type`, `must be one of ${COLUMN_TYPES.join(",")}`));
  } else if (!COLUMN_TYPES.includes(type)) {
    errors.push(invalid(`${path}.type`, type, `must be one of ${COLUMN_TYPES.join(",")}`));
  }
  if (format !== "" && !COLUMN_FORMATS.includes(format)) {
    errors.push(invalid(`${path}.format`, format, `must be one of ${COLUMN_FORMATS.join(",")}`));
  }
  if (jsonPath === "") return [...errors, required(`${path}.JSONPath`)];
  return PATH.test(jsonPath) ? errors
    : [...errors, invalid(`${path}.JSONPath`, jsonPath, "must be a simple json path")];
}

function validateScale(
  { scale }: CustomResourceSubresources, path: string,
): FieldError[] {
  if (scale === undefined) return [];
  const at = `${path}.scale`;
  const under = (text: string, name: string, roots: readonly string[]): FieldError[] =>
    PATH.test(text) && roots.some((each) => text.startsWith(each)) ? []
      : [invalid(`${at}.${name}`, text, `should be a json path under ${roots.join(" or ")}`)];
  const { specReplicasPath: wanted, statusReplicasPath: actual, labelSelectorPath: labels } = scale;
  return [
    ...(wanted === "" ? [required(`${at}.specReplicasPath`)]
      : under(wanted, "specReplicasPath", [".spec."])),
    ...(actual === "" ? [required(`${at}.statusReplicasPath`)]
      : under(actual, "statusReplicasPath", [".status."])),
    ...((labels ?? "") === "" ? [] : under(labels!, "labelSelectorPath", [".spec.", ".status."])),
  ];
}

function validateSelectable(
  fields: readonly SelectableField[], { schema }: Version, path: string,
): FieldError[] {
  if (fields.length > SELECTABLE_MAX) return [tooMany(path, fields.length, SELECTABLE_MAX)];
  const seen = new Set<string>();
  return fields.flatMap(({ jsonPath }, index) => {
    const at = `${path}[${index}].jsonPath`;
    if (jsonPath === "") return [required(at)];
    const errors = seen.has(jsonPath) ? [duplicate(at, jsonPath)] : [];
    seen.add(jsonPath);
    const found = schemaAt(schema?.openAPIV3Schema, jsonPath);
    return SELECTABLE_TYPES.includes(found?.type ?? "") ? errors
      : [...errors, invalid(at, jsonPath, "is an invalid path")];
  });
}

function validateVersion(versions: readonly Version[], index: number): FieldError[] {
  const version = versions[index]!;
  const at = `spec.versions[${index}]`;
  const schema = version.schema?.openAPIV3Schema;
  return [
    ...dns1035Label(version.name).map((each) => invalid(`${at}.name`, version.name, each)),
    ...(schema === undefined
      ? [required(`${at}.schema.openAPIV3Schema`, "schemas are required")]
      : validateSchema(schema,
        `${pathOf(versions, index, "schema", "validation")}.openAPIV3Schema`)),
    ...validateScale(version.subresources ?? {},
      pathOf(versions, index, "subresources", "subresources")),
    ...(version.additionalPrinterColumns ?? []).flatMap((each, place) =>
      validateColumn(each, `${pathOf(versions, index, COLUMNS, COLUMNS)}[${place}]`)),
    ...validateSelectable(version.selectableFields ?? [], version,
      pathOf(versions, index, "selectableFields", "selectableFields")),
  ];
}

/** All versions: names differ, and objects are stored in exactly one. */
export function validateVersions(versions: readonly Version[]): FieldError[] {
  const names = versions.map((each) => each.name);
  const stored = versions.filter((each) => each.storage).length;
  const errors = versions.flatMap((_version, index) => validateVersion(versions, index));
  const first = names[0] ?? "";
  if (first !== "") {
    errors.push(...dns1035Label(first).map((each) => invalid("spec.version", first, each)));
  }
  if (new Set(names).size < names.length) {
    errors.push(invalid("spec.versions", versions, "must contain unique version names"));
  }
  if (stored !== 1) {
    errors.push(invalid("spec.versions", versions,
      "must have exactly one version marked as storage version"));
  }
  return errors;
}
