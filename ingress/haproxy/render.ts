import {
  ANSWER_MS,
  BUFFERS_MAX,
  CLIENT_SOCKET_BYTES,
  CONNECT_MS,
  CONNECTIONS_MAX,
  CONNECTIONS_OF_ADDRESS_MAX,
  CONNECTIONS_OF_ADDRESS_MIN,
  CONNECTIONS_OF_ADDRESS_UNCOUNTED_MAX,
  COUNTED_MAX,
  FORMER_MS_MAX,
  FORMER_RELOADS_MAX,
  FRONTENDS_COUNTED_MAX,
  HANDSHAKES_OF_ADDRESS_MAX,
  HANDSHAKES_S,
  HEAD_BYTES_MAX,
  HOSTS_OF_LINE_MAX,
  HTTP2_CONNECTIONS_OF_ADDRESS_MAX,
  HTTP2_REQUESTS_OF_NAMESPACE_MAX,
  PARTS_OF_LEFT,
  REQUEST_MS,
  REQUESTS_OF_ADDRESS_MAX,
  REQUESTS_OF_NAMESPACE_MAX,
  SERVER_SOCKET_BYTES,
  TUNNEL_MS,
} from "../limits.ts";
import type { Backend, Bind, Condition, Filter, Frontend, Plan, Site } from "../plan/model.ts";
import { argument, format, token, word } from "./quote.ts";
import { assignServers, type Server } from "./servers.ts";
import { type ConditionLine, tablesOf } from "./tables.ts";
import { fileOf } from "./unfit-pairs.ts";

/** A configuration as files, and the servers in it, whose change needs no reload. */
export interface Rendered {
  /** Content by name below the folder. */
  readonly files: ReadonlyMap<string, string>;
  readonly servers: ReadonlyMap<string, readonly Server[]>;
  /** The files without the servers' addresses: equal ones need no reload. */
  readonly structure: string;
}

export const CONFIG = "haproxy.cfg";
/** An address that no connection is made to: its server is disabled. */
const NOWHERE = "127.0.0.1:1";
/** The part of a server's line whose change needs no reload: `placeOf` writes it. */
const PLACE = /^(  server s\d+) \S+ weight \d+( disabled)?/gm;

/**
 * Writes a plan as haproxy's files, whose paths are relative to them. Endpoints keep the servers
 * that they have in `former`. Pure.
 */
export function render(plan: Plan, socket: string, former?: Rendered["servers"]): Rendered {
  const files = new Map<string, string>();
  const servers = new Map<string, Server[]>();
  const lines = [
    ...head(socket),
    ...plan.frontends.flatMap((each) => frontendLines(each, plan, files)),
  ];
  for (const backend of plan.backends.values()) {
    const assigned = assignServers(backend, former?.get(backend.name));
    servers.set(backend.name, assigned);
    lines.push(...backendLines(backend), ...assigned.map(serverLine));
  }
  files.set(CONFIG, `${lines.join("\n")}\n`);
  const structure = [...files].map(([name, text]) => `${name}\n${text.replace(PLACE, "$1")}`);
  return { files, servers, structure: structure.join("\n") };
}

/** Gives the backends of a configuration the wanted servers where their number is the same. Pure. */
export function withServers({ structure, ...former }: Rendered, wanted: Rendered): Rendered {
  const servers = new Map<string, readonly Server[]>();
  for (const [name, before] of former.servers) {
    const next = wanted.servers.get(name);
    servers.set(name, next?.length === before.length ? next : before);
  }
  const places = [...servers.values()].flatMap((each) => each.map(placeOf));
  let at = 0;
  const text = former.files.get(CONFIG)!.replace(PLACE, () => places[at++]!);
  return { structure, servers, files: new Map(former.files).set(CONFIG, text) };
}

function head(socket: string): string[] {
  return [
    "global",
    `  mworker-max-reloads ${FORMER_RELOADS_MAX}`,
    "  default-path config",
    `  stats socket ${word(socket)} mode 600 level admin expose-fd listeners`,
    `  hard-stop-after ${FORMER_MS_MAX}`,
    `  maxconn ${CONNECTIONS_MAX}`,
    `  tune.bufsize ${HEAD_BYTES_MAX}`,
    `  tune.buffers.limit ${BUFFERS_MAX}`,
    `  tune.rcvbuf.client ${CLIENT_SOCKET_BYTES}`,
    `  tune.sndbuf.client ${CLIENT_SOCKET_BYTES}`,
    `  tune.rcvbuf.server ${SERVER_SOCKET_BYTES}`,
    `  tune.sndbuf.server ${SERVER_SOCKET_BYTES}`,
    "  tune.ssl.default-dh-param 2048",
    "  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets",
    "defaults",
    "  mode http",
    "  balance roundrobin",
    "  option dontlognull",
    "  option redispatch",
    // A reload must not close a connection on which the next request is just under way.
    "  option idle-close-on-response",
    "  retries 2",
    "  retry-on conn-failure",
    `  timeout connect ${CONNECT_MS}`,
    `  timeout client ${ANSWER_MS}`,
    `  timeout server ${ANSWER_MS}`,
    `  timeout tunnel ${TUNNEL_MS}`,
    `  timeout client-fin ${REQUEST_MS}`,
    `  timeout http-request ${REQUEST_MS}`,
    `  timeout http-keep-alive ${ANSWER_MS}`,
    `  timeout queue ${REQUEST_MS}`,
    // Addresses and namespaces are counted at all ports together.
    "backend addresses",
    `  stick-table type ip size ${COUNTED_MAX} expire 1m ` +
      `store conn_cur,gpc0,gpc0_rate(${HANDSHAKES_S}s)`,
    "backend requests",
    `  stick-table type ip size ${COUNTED_MAX} expire 1m store conn_cur`,
    "backend namespaces",
    `  stick-table type string len 64 size ${COUNTED_MAX} expire 1m store conn_cur`,
  ];
}

function frontendLines(
  { name, binds, sites }: Frontend,
  plan: Plan,
  files: Map<string, string>,
): string[] {
  const { maps, rest, lines } = tablesOf(sites);
  for (const [kind, text] of Object.entries(maps)) files.set(`${token(name)}.${kind}`, text);
  const map = (kind: keyof typeof maps) => word(`${name}.${kind}`);
  const unless = (variable: string) => `if !{ var(txn.${variable}) -m found }`;
  const host = "var(txn.host)";
  const [site, backend] = ["http-request set-var(txn.site)", "http-request set-var(txn.backend)"];
  const missing = "content-type text/plain string no\\ such\\ host\\ or\\ path\\n";
  return [
    `frontend ${name}`,
    ...binds.map((bind) => bindLine(bind, files)),
    "  tcp-request connection track-sc0 src table addresses",
    "  tcp-request connection reject " +
      `if { sc0_conn_cur(addresses) gt ${CONNECTIONS_OF_ADDRESS_MAX} }`,
    ...leftLines(plan, name),
    ...binds.flatMap(({ port, certificates }) => (certificates ? handshakeLines(port) : [])),
    ...http2Lines(sites, plan),
    ...clientLines(),
    "  http-request set-var(txn.path) path",
    `  http-request set-var(txn.host) req.hdr(host),field(1,:),rtrim(.),lower`,
    `  ${site} ${host},map_str(${map("hosts")})`,
    `  ${site} ${host},regsub(^[^.]+,),map_str(${map("labels")}) ${unless("site")}`,
    `  ${site} ${host},map_end(${map("suffixes")}) ${unless("site")}`,
    `  ${site} str(${rest}) ${unless("site")}`,
    "  http-request set-var(txn.at) var(txn.site),concat(,txn.path,/)",
    `  ${backend} var(txn.at),map_str(${map("exact")})`,
    `  ${backend} var(txn.at),map_beg(${map("prefix")},-1/) ${unless("backend")}`,
    ...conditionLines(lines),
    `  http-request return status 404 ${missing} if { var(txn.backend) -m beg -- -1/ }`,
    "  http-request set-header x-forwarded-for %[src]",
    "  http-request set-header x-forwarded-host %[req.hdr(host)]",
    "  http-request set-header x-forwarded-proto %[ssl_fc,iif(https,http)]",
    "  use_backend %[var(txn.backend),field(2,/)]",
  ];
}

/**
 * Writes that an address has a small part of what is left where half of the connections are taken:
 * however many addresses take all they may, others find some. haproxy 2.6 counts the connections of
 * one frontend alone: where there are too many to add them up, the last ones give an address few.
 */
function leftLines({ frontends }: Plan, frontend: string): string[] {
  const counted = frontends.slice(0, FRONTENDS_COUNTED_MAX).map(({ name }) => name);
  const own = "sc0_conn_cur(addresses)";
  const few = `{ ${own} gt ${CONNECTIONS_OF_ADDRESS_UNCOUNTED_MAX} }`;
  return [
    ...(counted.includes(frontend) ? [] : [`  tcp-request connection reject if ${few}`]),
    ...counted.map((name, at) => {
      const sum = `fe_conn(${name})${at > 0 ? ",add(sess.all)" : ""}`;
      return `  tcp-request connection set-var(sess.all) ${sum}`;
    }),
    "  tcp-request connection reject " +
      `if { var(sess.all) -m int gt ${CONNECTIONS_MAX / 2} } ` +
      `{ ${own} gt ${CONNECTIONS_OF_ADDRESS_MIN} } ` +
      `{ ${own},mul(${PARTS_OF_LEFT}),add(sess.all) gt ${CONNECTIONS_MAX} }`,
  ];
}

/**
 * Writes how many handshakes an address may start: haproxy does them one after the other, in the
 * order of their connections, so that those of others come after all that one address has started.
 */
function handshakeLines(port: number): string[] {
  const isTls = `{ dst_port ${port} }`;
  const over = `{ sc0_gpc0_rate(addresses) ge ${HANDSHAKES_OF_ADDRESS_MAX} }`;
  return [
    `  tcp-request connection reject if ${isTls} ${over}`,
    `  tcp-request connection sc-inc-gpc0(0) if ${isTls}`,
  ];
}

/**
 * Writes the bounds of HTTP/2. Without TLS no rule sees such a connection before its first request:
 * where gRPC needs them, the bound is that of all. A request too many ends its connection.
 */
function http2Lines(sites: readonly Site[], { backends }: Plan): string[] {
  const isHttp2 = sites.some(({ paths }) =>
    paths.some(({ backend }) => backends.get(backend)?.targets.some((target) => target.isHttp2)),
  );
  const over = `{ sc0_conn_cur(addresses) gt ${HTTP2_CONNECTIONS_OF_ADDRESS_MAX} }`;
  return [
    ...(isHttp2
      ? [`  tcp-request connection reject if ${over}`]
      : [
          "  option disable-h2-upgrade",
          `  tcp-request session reject if { ssl_fc_alpn -m str h2 } ${over}`,
        ]),
    "  http-request track-sc2 src table requests",
    `  http-request reject if { sc2_conn_cur(requests) gt ${REQUESTS_OF_ADDRESS_MAX} }`,
  ];
}

/** A host and its port. Others would hide what a backend reads as the host. */
const HOST = /^(\[[0-9A-Fa-f:.]*\]|[A-Za-z0-9._-]*)(:[0-9]*)?$/;
/** Headers by which proxies name the client and how it asked, as servers of CGI read them, too. */
const NAMES_CLIENT =
  /^(forwarded|x[-_](forwarded([-_].*)?|real[-_]ip|client[-_]ip|original[-_].*|scheme))$/;
/** Headers that servers of CGI may take for those that say where a body ends. */
const NAMES_LENGTH = ["content_length", "transfer_encoding"];
/** The options of a connection that a client may name, each a header (RFC 9110, section 7.6.1). */
const CONNECTION = /^([ ,]*(close|keep-alive|te|upgrade))*[ ,]*$/;

/**
 * Writes what is taken out of requests, and which are refused: by these headers a client would
 * choose its own address, by an option of the connection a second proxy would drop what we write.
 * A tunnel, or HTTP/2 to a backend that changes to it, would carry requests past all rules.
 */
function clientLines(): string[] {
  const connection = `{ req.fhdr(connection) -m reg -i -- ${word(CONNECTION.source)} }`;
  const notHost = `!{ req.fhdr(host) -m reg -- ${word(HOST.source)} }`;
  return [
    "  http-request deny deny_status 405 if METH_CONNECT",
    `  http-request deny deny_status 400 if { req.fhdr(host) -m found } ${notHost}`,
    // Servers of HTTP/1.0 know no coding: for them the body is the next request (RFC 9112, 6.1).
    "  http-request deny deny_status 400 if HTTP_1.0 { req.fhdr(transfer-encoding) -m found }",
    `  http-request del-header ${word(NAMES_CLIENT.source)} -m reg`,
    ...NAMES_LENGTH.map((name) => `  http-request del-header ${name}`),
    `  http-request del-header connection if !${connection}`,
    "  http-request del-header connection if { req.fhdr_cnt(connection) gt 1 }",
    "  http-request del-header upgrade if { req.fhdr(upgrade) -m sub -i -- h2c }",
    "  http-request del-header http2-settings",
  ];
}

function bindLine({ port, certificates }: Bind, files: Map<string, string>): string {
  if (!certificates) return `  bind :${port}`;
  // The first one is for clients that ask for no other's.
  const ordered = certificates.toSorted((a, b) => a.hosts.length - b.hosts.length);
  const list = ordered.flatMap(({ id, pem, hosts }) => {
    const file = fileOf(id);
    files.set(file, pem);
    const count = Math.max(1, Math.ceil(hosts.length / HOSTS_OF_LINE_MAX));
    return Array.from({ length: count }, (_, line) => {
      const own = hosts.slice(line * HOSTS_OF_LINE_MAX, (line + 1) * HOSTS_OF_LINE_MAX);
      return `${[file, ...own.map(serverName)].join(" ")}\n`;
    });
  });
  files.set(`${port}.certificates`, list.join(""));
  const strict = ordered[0]?.hosts.length === 0 ? "" : " strict-sni";
  return `  bind :${port} ssl crt-list ${port}.certificates alpn h2,http/1.1${strict}`;
}

/** A server name in a list of certificates. */
function serverName(host: string): string {
  return host.startsWith("*.") ? `*.${token(host.slice(2))}` : token(host);
}

function conditionLines(lines: readonly ConditionLine[]): string[] {
  const acls = new Map<string, string>();
  const nameOf = (condition: Condition) => {
    const test = testOf(condition);
    const name = acls.get(test) ?? `c${acls.size}`;
    acls.set(test, name);
    return name;
  };
  const rules = lines.map(({ kind, key, rank, conditions, backend }) => {
    const match = kind === "exact" ? "str" : "beg";
    return (
      `  http-request set-var(txn.backend) str(${rank}/${token(backend)}) ` +
      `if { var(txn.at) -m ${match} -- ${word(key)} } ` +
      `{ var(txn.backend),field(1,/) -m int le ${rank} } ${conditions.map(nameOf).join(" ")}`
    );
  });
  return [...[...acls].map(([test, name]) => `  acl ${name} ${test}`), ...rules];
}

function testOf(condition: Condition): string {
  const value = word(condition.value);
  switch (condition.on) {
    case "method":
      return `method -m str -- ${value}`;
    case "header":
      return `req.fhdr(${argument(condition.name)}) -m str -- ${value}`;
    case "query":
      return `url_param(${argument(condition.name)}) -m str -- ${value}`;
  }
}

function backendLines(backend: Backend): string[] {
  const { name, namespace, filters, timeout_ms, bodyBytesMax } = backend;
  const lines = [`backend ${token(name)}`];
  if (namespace !== undefined) {
    const isHttp2 = backend.targets.some((target) => target.isHttp2);
    const most = isHttp2 ? HTTP2_REQUESTS_OF_NAMESPACE_MAX : REQUESTS_OF_NAMESPACE_MAX;
    lines.push(
      `  http-request track-sc1 str(${token(namespace)}) table namespaces`,
      `  http-request deny deny_status 503 if { sc1_conn_cur(namespaces) gt ${most} }`,
      // One client must not take all that a namespace has: half of it is for others.
      `  http-request deny deny_status 503 if { sc2_conn_cur(requests) gt ${most / 2} }`,
    );
  }
  if (timeout_ms !== undefined) lines.push(`  timeout server ${timeout_ms}`);
  if (bodyBytesMax !== undefined) {
    // A body of unknown length could exceed the limit on its way.
    lines.push(
      `  http-request deny deny_status 413 if { req.body_size gt ${bodyBytesMax} }`,
      "  http-request return status 411 if { req.hdr(transfer-encoding) -m found }",
    );
  }
  const failing = failingShare(backend);
  if (filters.every(({ kind }) => kind !== "redirect") && failing > 0) {
    const some = failing === 1 ? "" : ` if { rand(1000) lt ${Math.round(failing * 1000)} }`;
    lines.push(`  http-request return status 500${some}`);
  }
  lines.push(...filterLines(filters));
  return lines;
}

/** Writes what a backend changes in requests and responses. */
function filterLines(filters: readonly Filter[]): string[] {
  return filters.map((filter): string => {
    switch (filter.kind) {
      case "set":
      case "add":
        return `  http-${filter.of} ${filter.kind}-header ${word(filter.name)} ${format(
          filter.value,
        )}`;
      case "remove":
        return `  http-${filter.of} del-header ${word(filter.name)}`;
      case "host":
        return `  http-request set-header host ${format(filter.value)}`;
      case "path":
        return `  http-request set-path ${format(filter.value)}`;
      case "prefix": {
        const value = filter.value.endsWith("/") ? filter.value.slice(0, -1) : filter.value;
        // Without a value the path's slash is written: the rest may be empty, and a path is not.
        const path =
          value === ""
            ? `/%[path,bytes(${filter.length + 1})]`
            : `${format(value)}%[path,bytes(${filter.length})]`;
        return `  http-request set-path ${path}`;
      }
      case "redirect": {
        const { scheme, host, port, code } = filter;
        const name = host === undefined ? "%[req.hdr(host),field(1,:)]" : format(host);
        const place = `${token(scheme)}://${name}${port === undefined ? "" : `:${port}`}`;
        return `  http-request redirect location ${place}%[pathq] code ${code}`;
      }
    }
  });
}

/** The share of requests whose target is missing, by weight. */
function failingShare({ targets }: Backend): number {
  const sum = targets.reduce((all, { weight }) => all + weight, 0);
  if (sum === 0) return 1;
  const missing = targets.filter(({ endpoints }) => endpoints === undefined);
  return missing.reduce((all, { weight }) => all + weight, 0) / sum;
}

function serverLine(server: Server, index: number): string {
  return `${placeOf(server, index)}${server.isHttp2 ? " proto h2" : ""}`;
}

function placeOf({ endpoint, weight }: Server, index: number): string {
  const place = endpoint ? `${token(endpoint.address)}:${endpoint.port}` : NOWHERE;
  return `  server s${index} ${place} weight ${weight}${endpoint ? "" : " disabled"}`;
}
