/**
 * Named formats: `format.dns1123Label().validate(name)` gives an optional list of what is wrong
 * with a text.
 */
import {
  dns1035Label,
  dnsLabel,
  dnsSubdomain,
  labelValue,
  qualifiedName,
  type TextRule,
} from "@raft2kube/std/names.ts";
import type { Library } from "../library.ts";
import { listOf, objectType, optionalOf, STRING } from "../types.ts";
import { ArrayList, OpaqueValue, OptionalValue, type Value } from "../value.ts";
import { call, functions, method } from "./declare.ts";
import { parseUrl } from "./go-url.ts";
import { isRefusal } from "./net-address.ts";

const FORMAT = objectType("kubernetes.NamedFormat");

export class FormatValue extends OpaqueValue {
  readonly type = FORMAT;
  readonly name: string;
  readonly complaints: TextRule;
  /** Characters of the regular expression that upstream counts the check as. */
  readonly patternLength: number;

  constructor(name: string, patternLength: number, complaints: TextRule) {
    super();
    this.name = name;
    this.patternLength = patternLength;
    this.complaints = complaints;
  }

  override equals(other: Value): boolean {
    return other instanceof FormatValue && other.name === this.name;
  }
}

/** A rule about names applied to the part of a generated name that is given. */
function prefixOf(rule: TextRule): TextRule {
  return (text) => rule(text.length > 1 && text.endsWith("-") ? `${text.slice(0, -2)}a` : text);
}

function unless(holds: (text: string) => boolean, complaint: string): TextRule {
  return (text) => (holds(text) ? [] : [complaint]);
}

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
const DATE_TIME =
  /^(\d{4}-\d{2}-\d{2})[tT](\d{2}):(\d{2}):(\d{2})(?:.\d+)?(?:z|Z|[+-]\d{2}:\d{2})$/;

/** Days by the proleptic Gregorian calendar, as Go's time.Parse counts them. */
function isDate(text: string): boolean {
  const [, year = "", month = "", day = ""] = DATE.exec(text) ?? [];
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.getUTCDate() === Number(day);
}

function isDateTime(text: string): boolean {
  const match = DATE_TIME.exec(text);
  if (match === null) return false;
  const [, date = "", hour, minute, second] = match;
  return isDate(date) && Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60;
}

function uriComplaints(text: string): string[] {
  const url = parseUrl(text);
  return isRefusal(url) ? [url.complaint] : [];
}

const FORMATS: Readonly<Record<string, FormatValue>> = {
  dns1123Label: new FormatValue("DNS1123Label", 30, dnsLabel),
  dns1123Subdomain: new FormatValue("DNS1123Subdomain", 60, dnsSubdomain),
  dns1035Label: new FormatValue("DNS1035Label", 30, dns1035Label),
  qualifiedName: new FormatValue("QualifiedName", 60, qualifiedName),
  dns1123LabelPrefix: new FormatValue("DNS1123LabelPrefix", 30, prefixOf(dnsLabel)),
  dns1123SubdomainPrefix: new FormatValue("DNS1123SubdomainPrefix", 60, prefixOf(dnsSubdomain)),
  dns1035LabelPrefix: new FormatValue("DNS1035LabelPrefix", 30, prefixOf(dns1035Label)),
  labelValue: new FormatValue("LabelValue", 40, labelValue),
  uri: new FormatValue("URI", 1103, uriComplaints),
  uuid: new FormatValue(
    "uuid",
    70,
    unless((text) => UUID.test(text), "does not match the UUID format"),
  ),
  byte: new FormatValue(
    "byte",
    84,
    unless((text) => text !== "" && BASE64.test(text), "invalid base64"),
  ),
  date: new FormatValue("date", 71, unless(isDate, "invalid date")),
  datetime: new FormatValue("datetime", 71, unless(isDateTime, "invalid datetime")),
};

function formatNamed(name: string): OptionalValue {
  return Object.hasOwn(FORMATS, name) ? new OptionalValue(FORMATS[name]!) : OptionalValue.NONE;
}

function validate({ complaints }: FormatValue, text: string): OptionalValue {
  const found = complaints(text);
  return found.length === 0 ? OptionalValue.NONE : new OptionalValue(new ArrayList(found));
}

export const formatLibrary: Library = {
  name: "kubernetes.format",
  types: [FORMAT],
  functions: functions({
    "format.named": [call("format-named", [STRING], optionalOf(FORMAT), formatNamed)],
    validate: [method("format-validate", [FORMAT, STRING], optionalOf(listOf(STRING)), validate)],
    ...Object.fromEntries(
      Object.entries(FORMATS).map(([name, format]) => [
        `format.${name}`,
        [call(`format.${name}`, [], FORMAT, () => format)],
      ]),
    ),
  }),
};
