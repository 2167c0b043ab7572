/** The columns of `kubectl get` for custom resources. */
import { age, ageColumn, nameColumn } from "@raft2kube/api/columns.ts";
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinitionVersion,
} from "@raft2kube/api/gen/apiextensions/v1.ts";
import type { Cell, Column } from "@raft2kube/api/kind.ts";
import { millisOf } from "@raft2kube/api/time.ts";
import { textOf } from "./go-text.ts";
import { JsonPathError, parseJsonPath } from "./json-path.ts";
import { COLUMN_TEXT_LENGTH_MAX, COLUMNS_MAX } from "./limits.ts";

/**
 * The columns of a version: the name, then those defined, by default the age. A path that cannot be
 * read ends them, as upstream: validation lets it pass.
 */
export function columnsOf(version: CustomResourceDefinitionVersion): Column[] {
  const defined = version.additionalPrinterColumns ?? [];
  if (defined.length === 0) return [nameColumn, { ...ageColumn, type: "date" }];
  const columns: Column[] = [nameColumn];
  for (const each of defined.slice(0, COLUMNS_MAX)) {
    const column = columnOf(each);
    if (column === undefined) break;
    columns.push(column);
  }
  return columns;
}

function columnOf(defined: CustomResourceColumnDefinition): Column | undefined {
  const { name, type, format = "", jsonPath, priority = 0 } = defined;
  const description =
    defined.description || `Custom resource definition column (in JSONPath format): ${jsonPath}`;
  const path = attempt(() => parseJsonPath(jsonPath));
  if (path === undefined) return undefined;
  return {
    name: name.slice(0, COLUMN_TEXT_LENGTH_MAX),
    type: type as Column["type"],
    format,
    description: description.slice(0, COLUMN_TEXT_LENGTH_MAX),
    priority,
    value(object, now_ms) {
      const found = attempt(() => path(object));
      return found === undefined || found.length === 0 ? null : cellOf(type, found[0], now_ms);
    },
  };
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof JsonPathError) return undefined;
    throw thrown;
  }
}

const exactOf = (value: unknown): Cell => (typeof value === "bigint" ? value : null);

function cellOf(type: string, value: unknown, now_ms: number): Cell {
  switch (type) {
    case "string":
      return textOf(value);
    case "integer":
      return typeof value === "number" ? Math.trunc(value) : exactOf(value);
    case "number":
      return typeof value === "number" ? value : exactOf(value);
    case "boolean":
      return typeof value === "boolean" ? value : null;
    case "date":
      if (typeof value !== "string") return null;
      if (value === "" || value === "null") return age(undefined, now_ms);
      return millisOf(value) === undefined ? "<invalid>" : age(value, now_ms);
    default:
      return null;
  }
}
