/**
 * The forms of names of the API, beside those that `std/names.ts` shares with expressions: each
 * check gives the complaints about a text, none when it is right. The complaints are upstream's
 * texts, which clients and tests compare.
 */
import {
  dnsSubdomain,
  matches,
  patternComplaint,
  SUBDOMAIN,
  SUBDOMAIN_LENGTH_MAX,
  tooLong,
} from "@raft2kube/std/names.ts";

export {
  dns1035Label,
  dnsLabel,
  dnsSubdomain,
  labelValue,
  patternComplaint,
  qualifiedName,
  SUBDOMAIN_LENGTH_MAX,
  type TextRule,
} from "@raft2kube/std/names.ts";

const WILDCARD = `\\*\\.${SUBDOMAIN}`;
const CONFIG_KEY = "[-._a-zA-Z0-9]+";

const PORT_NAME_LENGTH_MAX = 15;

/** A domain that a resolver searches in, where underscores are usual. */
export function searchDomain(text: string): string[] {
  const label = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
  const pattern = `${label}(\\.${label})*`;
  const long = tooLong(text, SUBDOMAIN_LENGTH_MAX);
  if (matches(pattern, text)) return long;
  const rule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric " +
    "characters, '_', '-' or '.', and must start and end with an alphanumeric character";
  return [...long, patternComplaint(rule, pattern, "example.com")];
}

/** A host of an Ingress rule such as `*.example.com`. */
export function wildcardSubdomain(text: string): string[] {
  const long = tooLong(text, SUBDOMAIN_LENGTH_MAX);
  if (matches(WILDCARD, text)) return long;
  const rule =
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS " +
    "subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end " +
    "with an alphanumeric character";
  return [...long, patternComplaint(rule, WILDCARD, "*.example.com")];
}

/** The name of a container's port or a Service's target. */
export function portName(text: string): string[] {
  const complaints = tooLong(text, PORT_NAME_LENGTH_MAX);
  if (!/^[-a-z0-9]+$/.test(text)) {
    complaints.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (!/[a-z]/.test(text)) complaints.push("must contain at least one letter (a-z)");
  if (text.includes("--")) complaints.push("must not contain consecutive hyphens");
  if (/^-|-$/.test(text)) complaints.push("must not begin or end with a hyphen");
  return complaints;
}

/** A key of a ConfigMap or Secret, which becomes a file name. */
export function configKey(text: string): string[] {
  const complaints = tooLong(text, SUBDOMAIN_LENGTH_MAX);
  if (!matches(CONFIG_KEY, text)) {
    const rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    complaints.push(patternComplaint(rule, CONFIG_KEY, "key.name", "KEY_NAME", "key-name"));
  }
  return [...complaints, ...upwardPath(text)];
}

function upwardPath(text: string): string[] {
  if (text === ".") return ["must not be '.'"];
  if (text === "..") return ["must not be '..'"];
  return text.startsWith("..") ? ["must not start with '..'"] : [];
}

/** The name of an environment variable: printable ASCII without `=`. */
export function envVarName(text: string): string[] {
  const complaints = text === "" ? ["environment variable name must be non-empty"] : [];
  if (!/^[\x20-\x3c\x3e-\x7e]*$/.test(text)) {
    complaints.push(
      "a valid environment variable name must consist only of printable ASCII " +
        "characters other than '='",
    );
  }
  return complaints;
}

export function httpHeaderName(text: string): string[] {
  if (/^[-A-Za-z0-9]+$/.test(text)) return [];
  const rule = "a valid HTTP header must consist of alphanumeric characters or '-'";
  return [patternComplaint(rule, "[-A-Za-z0-9]+", "X-Header-Name")];
}

/** A name that becomes one segment of a URL's path: Roles and their bindings. */
export function pathSegment(text: string): string[] {
  if (text === "." || text === "..") return [`may not be '${text}'`];
  return ["/", "%"]
    .filter((each) => text.includes(each))
    .map((each) => `may not contain '${each}'`);
}

export const portNumber = (port: number): string[] => inRange(port, 1, 65535);

export function inRange(value: number, low: number, high: number): string[] {
  if (Number.isInteger(value) && value >= low && value <= high) return [];
  return [`must be between ${low} and ${high}, inclusive`];
}

/** A share such as `25%`. */
export function percent(text: string): string[] {
  if (/^[0-9]+%$/.test(text)) return [];
  const rule = "a valid percent string must be a numeric string followed by an ending '%'";
  return [patternComplaint(rule, "[0-9]+%", "1%", "93%")];
}

/** A path with a domain before it, such as `example.com/controller`. */
export function domainPath(text: string): string[] {
  const slash = text.indexOf("/");
  const [domain, rest] = [text.slice(0, slash), text.slice(slash + 1)];
  if (slash <= 0 || rest === "") return ['must be a domain-prefixed path (such as "acme.io/foo")'];
  const wrong = dnsSubdomain(domain);
  if (/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(rest)) return wrong;
  return [...wrong, "Invalid path"];
}
