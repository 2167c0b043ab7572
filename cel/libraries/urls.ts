/** URLs: `url("https://example.com:80/a?b=c").getHostname()`. */
import type { Library } from "../library.ts";
import { BOOL, listOf, mapOf, objectType, STRING } from "../types.ts";
import { ArrayList, ErrorValue, MapValue, OpaqueValue, type Value } from "../value.ts";
import { call, functions, method } from "./declare.ts";
import { hostnameOf, parseUrl, portOf, queryOf, type Url, urlKey } from "./go-url.ts";
import { isRefusal } from "./net-address.ts";

const URL_TYPE = objectType("kubernetes.URL");

class UrlValue extends OpaqueValue {
  readonly type = URL_TYPE;
  readonly url: Url;

  constructor(url: Url) {
    super();
    this.url = url;
  }

  override equals(other: Value): boolean {
    return other instanceof UrlValue && urlKey(other.url) === urlKey(this.url);
  }
}

/** The parameters of a query. */
class QueryMap extends MapValue {
  readonly #parameters: ReadonlyMap<string, readonly string[]>;

  constructor(parameters: ReadonlyMap<string, readonly string[]>) {
    super();
    this.#parameters = parameters;
  }

  override get size(): number {
    return this.#parameters.size;
  }

  override get(key: Value): Value | undefined {
    const values = typeof key === "string" ? this.#parameters.get(key) : undefined;
    return values === undefined ? undefined : new ArrayList(values);
  }

  override keys(): Iterable<Value> {
    return this.#parameters.keys();
  }
}

function urlOfText(text: string): UrlValue | ErrorValue {
  const url = parseUrl(text);
  if (!isRefusal(url)) return new UrlValue(url);
  return new ErrorValue(`URL parse error during conversion from string: ${url.complaint}`);
}

function part(id: string, read: (url: Url) => string): ReturnType<typeof method> {
  return method(id, [URL_TYPE], STRING, ({ url }: UrlValue) => read(url));
}

export const urlsLibrary: Library = {
  name: "kubernetes.urls",
  types: [URL_TYPE],
  functions: functions({
    url: [call("string_to_url", [STRING], URL_TYPE, urlOfText)],
    isURL: [call("is_url_string", [STRING], BOOL, (text: string) => !isRefusal(parseUrl(text)))],
    getScheme: [part("url_get_scheme", (url) => url.scheme)],
    getHost: [part("url_get_host", (url) => url.host)],
    getHostname: [part("url_get_hostname", hostnameOf)],
    getPort: [part("url_get_port", portOf)],
    getEscapedPath: [part("url_get_escaped_path", (url) => url.escapedPath)],
    getQuery: [
      method(
        "url_get_query",
        [URL_TYPE],
        mapOf(STRING, listOf(STRING)),
        ({ url }: UrlValue) => new QueryMap(queryOf(url)),
      ),
    ],
  }),
};
