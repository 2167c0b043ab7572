/** How the API's special types look in JSON; `codec/special-protobuf.ts` has their protobuf. */

import type { JSONSchemaProps } from "./gen/apiextensions/v1.ts";

/** RFC 3339 in UTC with whole seconds: `2026-11-20T07:00:00Z`. */
export type Time = string;

/** RFC 3339 in UTC with six digits of a second. */
export type MicroTime = string;

/** Go's form of a duration: `15s`, `1m30.5s`. */
export type Duration = string;

/** A decimal number with an optional suffix: `100m`, `1Gi`; see `quantity.ts`. */
export type Quantity = string;

/** A port or count by number, or a port by name, or a share as `25%`. */
export type IntOrString = number | string;

/** Base64. */
export type Bytes = string;

export type JSONValue =
  | null
  | boolean
  | number
  | string
  | JSONValue[]
  | { [key: string]: JSONValue };

/** An object of a kind that the surrounding one does not fix. */
export type RawExtension = { [key: string]: JSONValue };

/** The set of fields that one manager owns. */
export type FieldsV1 = { [key: string]: JSONValue };

export type SchemaOrArray = JSONSchemaProps | JSONSchemaProps[];
export type SchemaOrBool = JSONSchemaProps | boolean;
export type SchemaOrStrings = JSONSchemaProps | string[];
