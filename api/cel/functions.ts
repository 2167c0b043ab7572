/** The functions of CEL's standard library and of Kubernetes, by result type. */
import type { CelType } from "./types.ts";

/** Result types of functions and methods; those of several kinds give `dyn`. */
const RESULTS: Readonly<Record<Exclude<CelType, object | "null">, string>> = {
  bool: "has matches startsWith endsWith contains isURL isQuantity isIP isCIDR isSemver isSorted " +
    "isGreaterThan isLessThan isInteger allowed hasValue containsIP containsCIDR isUnspecified " +
    "isLoopback isLinkLocalMulticast isLinkLocalUnicast isGlobalUnicast isCanonical errored " +
    "equivalent intersects bool all exists exists_one existsOne",
  int: "size int indexOf lastIndexOf compareTo sign asInteger family prefixLength major minor " +
    "patch getFullYear getMonth getDate getDayOfMonth getDayOfWeek getDayOfYear getHours " +
    "getMinutes getSeconds getMilliseconds",
  uint: "uint",
  double: "double asApproximateFloat",
  string: "string lowerAscii upperAscii replace substring trim charAt join format find quote " +
    "getScheme getHost getHostname getPort getEscapedPath reason error escapeKey encode " +
    "reverse",
  bytes: "bytes decode",
  list: "map filter split findAll flatten distinct sort sortBy slice range",
  map: "getQuery transformMap",
  duration: "duration",
  timestamp: "timestamp",
  type: "type",
  dyn: "dyn min max sum first last url ip cidr masked quantity add sub semver path group " +
    "resource subresource namespace name check fieldSelector labelSelector serviceAccount of " +
    "none ofNonZeroValue optMap optFlatMap orValue or value bind named validate " +
    "transformList abs ceil floor round greatest least unwrapOpt",
};

/** The type that a call gives; undefined when there is no such function. */
export const FUNCTIONS: ReadonlyMap<string, CelType> = new Map(
  Object.entries(RESULTS).flatMap(([type, names]) =>
    names.split(" ").map((name) => [name, type as CelType] as const)));

/** Namespaces of functions, which are no variables: `sets.contains(a, b)`. */
export const LIBRARIES: ReadonlySet<string> = new Set([
  "base64", "cel", "format", "jsonpatch", "lists", "math", "optional", "sets", "strings",
]);

/** Methods whose first arguments name variables of the last ones: `list.all(x, x > 0)`. */
export const MACROS: ReadonlySet<string> = new Set([
  "all", "exists", "exists_one", "existsOne", "map", "filter", "sortBy", "transformList",
  "transformMap", "optMap", "optFlatMap", "bind",
]);

/** Names of types, which are values as well. */
export const TYPES: ReadonlySet<string> = new Set([
  "bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint",
  "net",
]);
