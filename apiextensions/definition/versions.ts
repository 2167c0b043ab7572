/** The versions of a definition: schema, subresources, columns, selectable fields. */
import { isDeepStrictEqual } from "node:util";
import { isGivenEmpty } from "@raft2kube/api/codec/json.ts";
import {
  duplicate,
  type FieldError,
  invalid,
  required,
  tooLong,
  tooMany,
} from "@raft2kube/api/errors.ts";
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
  SelectableField,
} from "@raft2kube/api/gen/apiextensions/v1.ts";
import { eachOf } from "@raft2kube/api/validation/checks.ts";
import { dns1035Label } from "@raft2kube/api/validation/names.ts";
import { COLUMNS_MAX, JSON_PATH_LENGTH_MAX } from "../limits.ts";
import { structuralOf } from "../structural.ts";
import { schemaAt } from "./field-path.ts";
import { type Leniency, SELECTABLE_MAX } from "./leniency.ts";
import { validateSchema } from "./schema.ts";
import { unstructured } from "./structural-rules.ts";
import { schemasIn } from "./walk.ts";

type Spec = CustomResourceDefinitionSpec;
type Version = CustomResourceDefinitionVersion;

/** Parts that upstream keeps once, and looks at last, when all versions have the same. */
const SHARED = {
  schema: "validation",
  subresources: "subresources",
  additionalPrinterColumns: "additionalPrinterColumns",
  selectableFields: "selectableFields",
} as const;
type Part = keyof typeof SHARED;

function isShared(versions: readonly Version[], part: Part): boolean {
  return versions.every((each) => isDeepStrictEqual(each[part], versions[0]![part]));
}

/** The errors of a part of one version, or of all versions that share it. */
function validatePart(
  version: Version,
  part: Part,
  path: string,
  spec: Spec,
  leniency: Leniency,
  shared: boolean,
): FieldError[] {
  switch (part) {
    case "schema": {
      const schema = version.schema?.openAPIV3Schema;
      if (schema === undefined) return [];
      const hasStatus = (shared ? spec.versions : [version]).some(
        ({ subresources }) => subresources?.status !== undefined,
      );
      return validateSchema(schema, `${path}.openAPIV3Schema`, {
        hasStatus,
        structural: mustBeStructural(spec, leniency),
        leniency,
        isUnchanged: leniency.unchanged.has(version.name),
      });
    }
    case "subresources":
      return validateScale(version.subresources ?? {}, path);
    case "additionalPrinterColumns": {
      const columns = version.additionalPrinterColumns ?? [];
      return columns.length > COLUMNS_MAX
        ? [tooMany(path, columns.length, COLUMNS_MAX)]
        : eachOf(columns, path, validateColumn);
    }
    case "selectableFields":
      return validateSelectable(version, path, shared, leniency.selectable.has(version.name));
  }
}

const PARTS = Object.keys(SHARED) as Part[];

/** The errors of all versions; those of parts that they share are in `sharedErrors`. */
export function validateVersions(spec: Spec, leniency: Leniency): FieldError[] {
  const { versions } = spec;
  return versions.flatMap((version, index) => {
    const at = `spec.versions[${index}]`;
    const wrong = dns1035Label(version.name);
    return [
      ...(wrong.length === 0 ? [] : [invalid(`${at}.name`, version.name, wrong.join(","))]),
      ...validateDeprecation(version).map((each) =>
        invalid(`${at}.deprecationWarning`, version.deprecationWarning, each),
      ),
      ...PARTS.filter((part) => !isShared(versions, part)).flatMap((part) =>
        validatePart(version, part, `${at}.${part}`, spec, leniency, false),
      ),
    ];
  });
}

/** The errors of parts that are the same in all versions. */
export function validateShared(spec: Spec, leniency: Leniency): FieldError[] {
  const [version] = spec.versions;
  if (version === undefined) return [];
  return PARTS.filter((part) => isShared(spec.versions, part)).flatMap((part) =>
    validatePart(version, part, `spec.${SHARED[part]}`, spec, leniency, true),
  );
}

/** Names differ, and objects are stored in exactly one version. */
export function validateVersionNames({ versions }: Spec): FieldError[] {
  const names = versions.map((each) => each.name);
  const errors: FieldError[] = [];
  if (new Set(names).size < names.length) {
    errors.push(invalid("spec.versions", versions, "must contain unique version names"));
  }
  if (versions.filter((each) => each.storage).length !== 1) {
    const shown = versions.length > 0 || isGivenEmpty(versions) ? versions : null;
    const rule = "must have exactly one version marked as storage version";
    errors.push(invalid("spec.versions", shown, rule));
  }
  const first = names[0] ?? "";
  const wrong = first === "" ? [] : dns1035Label(first);
  if (wrong.length > 0) errors.push(invalid("spec.version", first, wrong.join(",")));
  return errors;
}

/** Each version has a schema: without one, all fields would be pruned. */
export function requireSchemas({ versions, ...spec }: Spec, leniency: Leniency): FieldError[] {
  const shared = isShared(versions, "schema") && versions[0]?.schema?.openAPIV3Schema !== undefined;
  if (shared || (leniency.schemas && spec.preserveUnknownFields === true)) return [];
  const why = leniency.schemas ? "because otherwise all fields are pruned" : "";
  return versions.flatMap(({ schema, served }, index) =>
    schema?.openAPIV3Schema === undefined && (served || !leniency.schemas)
      ? [required(`spec.versions[${index}].schema.openAPIV3Schema`, why)]
      : [],
  );
}

/** Whether a schema of the definition has a default. */
export function hasDefaults({ versions }: Spec): boolean {
  return versions.some(
    ({ schema }) =>
      schema?.openAPIV3Schema !== undefined &&
      schemasIn(schema.openAPIV3Schema).some((each) => each.default != null),
  );
}

const EXTENSIONS = [
  "embedded-resource",
  "preserve-unknown-fields",
  "int-or-string",
  "list-map-keys",
  "list-type",
  "validations",
].map((name) => `x-kubernetes-${name}` as const);

/** Old definitions keep schemas that are not structural, but for what needs structure. */
function mustBeStructural(spec: Spec, { structure }: Leniency): boolean {
  if (!structure || spec.preserveUnknownFields !== true || hasDefaults(spec)) return true;
  return spec.versions.some(
    ({ schema }) =>
      schema?.openAPIV3Schema !== undefined &&
      schemasIn(schema.openAPIV3Schema).some((each) => EXTENSIONS.some((name) => name in each)),
  );
}

const WARNING_BYTES_MAX = 256;

function validateDeprecation({ deprecated = false, deprecationWarning: text }: Version): string[] {
  if (text === undefined) return [];
  if (!deprecated) return ["can only be set for deprecated versions"];
  const errors =
    Buffer.byteLength(text) > WARNING_BYTES_MAX
      ? [`must be <= ${WARNING_BYTES_MAX} characters long`]
      : [];
  if (text === "") errors.push("must not be an empty string");
  const strange = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.exec(text);
  if (strange !== null) {
    const index = Buffer.byteLength(text.slice(0, strange.index));
    errors.push(
      "must only contain printable UTF-8 characters; non-printable character found at " +
        `index ${index}`,
    );
  }
  return errors;
}

const COLUMN_TYPES = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS = [
  "byte",
  "date",
  "date-time",
  "double",
  "float",
  "int32",
  "int64",
  "password",
];

function validateColumn(column: CustomResourceColumnDefinition, path: string): FieldError[] {
  const { name, type, format = "", jsonPath } = column;
  const errors: FieldError[] = name === "" ? [required(`${path}.name`)] : [];
  const types = `must be one of ${COLUMN_TYPES.join(",")}`;
  if (type === "") errors.push(required(`${path}.type`, types));
  else if (!COLUMN_TYPES.includes(type)) errors.push(invalid(`${path}.type`, type, types));
  if (format !== "" && !COLUMN_FORMATS.includes(format)) {
    errors.push(invalid(`${path}.format`, format, `must be one of ${COLUMN_FORMATS.join(",")}`));
  }
  const at = `${path}.JSONPath`;
  return [...errors, ...(jsonPath === "" ? [required(at)] : validatePath(jsonPath, at))];
}

function validatePath(text: string, path: string): FieldError[] {
  if (text.length > JSON_PATH_LENGTH_MAX) return [tooLong(path, JSON_PATH_LENGTH_MAX)];
  return text.startsWith(".")
    ? []
    : [invalid(path, text, "must be a simple json path starting with .")];
}

function validateScale({ scale }: CustomResourceSubresources, path: string): FieldError[] {
  if (scale === undefined) return [];
  const under = (text: string, name: string, roots: readonly string[], why: string) => {
    const at = `${path}.scale.${name}`;
    const wrong = validatePath(text, at);
    if (wrong.length > 0 || roots.some((each) => text.startsWith(`${each}.`))) return wrong;
    return [invalid(at, text, `should be a json path under ${why}`)];
  };
  const {
    specReplicasPath: wanted,
    statusReplicasPath: actual,
    labelSelectorPath: labels = "",
  } = scale;
  return [
    ...(wanted === ""
      ? [required(`${path}.scale.specReplicasPath`)]
      : under(wanted, "specReplicasPath", [".spec"], ".spec")),
    ...(actual === ""
      ? [required(`${path}.scale.statusReplicasPath`)]
      : under(actual, "statusReplicasPath", [".status"], ".status")),
    ...(labels === ""
      ? []
      : under(labels, "labelSelectorPath", [".spec", ".status"], "either .spec or .status")),
  ];
}

const SELECTABLE_TYPES = ["string", "integer", "boolean"];

function validateSelectable(
  { schema, selectableFields: fields = [] }: Version,
  path: string,
  shared: boolean,
  many: boolean,
): FieldError[] {
  if (fields.length === 0) return [];
  const props = schema?.openAPIV3Schema;
  if (props === undefined) {
    return [
      invalid(
        path,
        "",
        shared
          ? "may only be set when validations.schema is included"
          : "may only be set when `version.schema.openAPIV3Schema` is not included",
      ),
    ];
  }
  const why = unstructured(props);
  if (why !== undefined) return [invalid(path, "", why)];
  const structural = structuralOf(props);
  const seen = new Set<string>();
  const errors = fields.flatMap((field, index) =>
    validateSelectableField(field, `${path}[${index}].jsonPath`, structural, seen),
  );
  return seen.size > SELECTABLE_MAX && !many
    ? [...errors, tooMany(path, seen.size, SELECTABLE_MAX)]
    : errors;
}

function validateSelectableField(
  { jsonPath }: SelectableField,
  at: string,
  whole: ReturnType<typeof structuralOf>,
  seen: Set<string>,
): FieldError[] {
  if (jsonPath === "") return [required(at)];
  if (jsonPath.length > JSON_PATH_LENGTH_MAX) return [tooLong(at, JSON_PATH_LENGTH_MAX)];
  const found = schemaAt(whole, jsonPath, false);
  if ("wrong" in found) return [invalid(at, jsonPath, `is an invalid path: ${found.wrong}`)];
  const errors =
    found.path[0] === "metadata"
      ? [invalid(at, jsonPath, "must not point to fields in metadata")]
      : [];
  if (!SELECTABLE_TYPES.includes(found.schema.type ?? "")) {
    const rule =
      "must point to a field of type string, boolean or integer. " +
      "Enum string fields and strings with formats are allowed.";
    errors.push(invalid(at, jsonPath, rule));
  }
  const key = found.path.join(".");
  if (seen.has(key)) errors.push(duplicate(at, jsonPath));
  seen.add(key);
  return errors;
}
