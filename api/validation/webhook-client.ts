/** How a webhook of admission or conversion is reached. */
import { type FieldError, invalid, required } from "../errors.ts";
import { dnsSubdomain, portNumber } from "./names.ts";

interface Client {
  readonly url?: string;
  readonly service?: {
    readonly namespace: string;
    readonly name: string;
    readonly path?: string;
    readonly port?: number;
  };
}

const FORM = "; desired format: https://host[/path]";
const QUALIFIED_PARTS_MIN = 3;

/** A name such as `hook.example.com`. */
export function fullyQualifiedName(name: string, path: string): FieldError[] {
  if (name === "") return [required(path)];
  const wrong = dnsSubdomain(name);
  if (wrong.length > 0) return [invalid(path, name, wrong.join(","))];
  return name.split(".").length >= QUALIFIED_PARTS_MIN
    ? []
    : [invalid(path, name, "should be a domain with at least three segments separated by dots")];
}

function validateUrl(text: string, path: string): FieldError[] {
  const [escape] = /%(?![0-9a-fA-F]{2}).{0,2}/s.exec(text) ?? [];
  if (escape !== undefined) {
    const why = `parse ${JSON.stringify(text)}: invalid URL escape ${JSON.stringify(escape)}`;
    return [required(path, `url must be a valid URL: ${why}${FORM}`)];
  }
  // Go's parser takes relative URLs, which the following rules refuse part by part.
  const parts = /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(text);
  const [, scheme = "", authority = "", , query = "", fragment = ""] = parts ?? [];
  const at = authority.lastIndexOf("@");
  const errors: FieldError[] = [];
  if (scheme !== "https") {
    errors.push(invalid(path, scheme, `'https' is the only allowed URL scheme${FORM}`));
  }
  if (authority.slice(at + 1) === "") {
    errors.push(invalid(path, "", `host must be specified${FORM}`));
  }
  const refused = [
    [at === -1 ? "" : authority.slice(0, at), "user information is"],
    [fragment, "fragments are"],
    [query, "query parameters are"],
  ] as const;
  return [
    ...errors,
    ...refused
      .filter(([part]) => part !== "")
      .map(([part, what]) => invalid(path, part, `${what} not permitted in the URL`)),
  ];
}

function validatePath(text: string, path: string): FieldError[] {
  if (text === "" || text === "/") return [];
  if (text === "//") return [invalid(path, text, "segment[0] may not be empty")];
  const errors = text.startsWith("/") ? [] : [invalid(path, text, "must start with a '/'")];
  const steps = text.slice(1).replace(/\/$/, "").split("/");
  return [
    ...errors,
    ...steps.flatMap((step, index) =>
      step === ""
        ? [invalid(path, text, `segment[${index}] may not be empty`)]
        : dnsSubdomain(step).map((each) => invalid(path, text, `segment[${index}]: ${each}`)),
    ),
  ];
}

/**
 * A client configuration: a URL or a Service. Upstream swaps the names of the two fields when it
 * says that one of them is missing, and so do we.
 */
export function validateClient(client: Client, path: string): FieldError[] {
  const { url, service } = client;
  if ((url === undefined) === (service === undefined)) {
    return [required(path, "exactly one of url or service is required")];
  }
  if (url !== undefined) return validateUrl(url, `${path}.url`);
  const { name, namespace, port = 0 } = service!;
  return [
    ...(namespace === "" ? [required(`${path}.service.name`)] : []),
    ...(name === "" ? [required(`${path}.service.namespace`)] : []),
    ...portNumber(port).map((each) =>
      invalid(`${path}.service.port`, port, `port is not valid: ${each}`),
    ),
    ...validatePath(service!.path ?? "", `${path}.service.path`),
  ];
}
