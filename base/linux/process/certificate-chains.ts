import { syncBuiltinESMExports } from "node:module";
import tls, { type SecureContext, type SecureContextOptions } from "node:tls";
import { inspect } from "node:util";
import { assert } from "@raft2kube/std/assert.ts";
import { costlyCertificates } from "@raft2kube/std/costly-certificate.ts";
import koffi from "../syscall/koffi.ts";

/** Certificates between a peer's own and a trusted CA. */
export const INTERMEDIATES_MAX = 3;
/** Messages that a peer sends after its handshake: tickets at its end, new keys after gigabytes. */
export const LATER_MESSAGES_MAX = 32;
/** A client's first message has some 2 KB, and a ticket with its certificate. */
export const HELLO_BYTES_MAX = 8_192;

/** TLS's numbers (RFC 8446, 5.1 and B.3). */
const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const CERTIFICATE = 11;
const FINISHED = 20;
const COMPRESSED_CERTIFICATE = 25;
const TLS13 = 0x0304;
/** The first byte after a message's header. */
const BODY = 4;
const HOST_NAME = 0;
const SET_MESSAGE_ARGUMENT = 16;

/** A peer that was refused. The reasons are a few. */
export interface RefusedPeer {
  readonly peer: "client" | "server";
  readonly reason: string;
  /** The name under which the server was called; undefined of a client, or of an address. */
  readonly name?: string;
}

/**
 * Bounds the work of OpenSSL, in this process, with what peers show, strangers too. It parses up to
 * 100 KB of certificates and verifies the chain before Node decides about it. One certificate with
 * a curve of its own takes 0.1 s, and one whose key has a public exponent of 3,072 bits 5 ms. It
 * looks for each of a client's 6,000 key shares in its 16,000 groups: 0.1 s for 62 KB. After the
 * handshake it takes any number of new keys and tickets: those of a megabyte take a second.
 *
 * Node has no option for these. The parameters that OpenSSL calls `default` apply wherever no
 * others are set. A message passes a callback before it is parsed, which makes one that is not to
 * be taken unreadable, so that the connection ends with an alert. `onRefused` is called for each.
 * Clients do not agree on keys by DHE, as servers of ours do not.
 * To be called once, before a server or client of TLS is made.
 */
export function boundCertificateChains(onRefused: (refused: RefusedPeer) => void): void {
  const openssl = koffi.load(null);
  boundDepth(openssl);
  const proto = koffi.proto("void (int, int, int, void *, size_t, void *, intptr_t)");
  const watch = openssl.func("SSL_CTX_set_msg_callback", "void", ["void *", koffi.pointer(proto)]);
  const control = openssl.func("long SSL_ctrl(void *ssl, int command, long, intptr_t argument)");
  const isServer = openssl.func("int SSL_is_server(void *ssl)");
  const nameOf = openssl.func("const char *SSL_get_servername(void *ssl, int type)");
  const refusedBy = (ssl: unknown, reason: string): RefusedPeer => {
    if (isServer(ssl) === 1) return { peer: "client", reason };
    const name: string | null = nameOf(ssl, HOST_NAME);
    return { peer: "server", reason, ...(name === null ? {} : { name }) };
  };
  const onMessage = (...[isOwn, version, record, bytes, size, ssl, later]: Message) => {
    if (isOwn || record !== HANDSHAKE_RECORD) return;
    const type = koffi.decode(bytes, "uint8_t") as number;
    if (type === FINISHED || later > 0) control(ssl, SET_MESSAGE_ARGUMENT, 0, later + 1);
    const message = () => Buffer.from(koffi.decode(bytes, "uint8_t", Number(size)) as Uint8Array);
    const reason =
      later > LATER_MESSAGES_MAX
        ? "messages of its handshake without end"
        : type === CLIENT_HELLO && size > HELLO_BYTES_MAX
          ? `a first message of more than ${HELLO_BYTES_MAX} bytes`
          : type === COMPRESSED_CERTIFICATE
            ? "certificates that are compressed"
            : type === CERTIFICATE
              ? costlyCertificates(message(), version === TLS13)
              : undefined;
    if (reason === undefined) return;
    new Uint8Array(koffi.view(bytes, Number(size))).fill(0xff, BODY);
    onRefused(refusedBy(ssl, reason));
  };
  const callback = koffi.register(onMessage, koffi.pointer(proto));
  // Nor does Go's client take them: a server's own group of 9,984 bits takes a client 0.5 s.
  tls.DEFAULT_CIPHERS += ":!DHE";
  const create = tls.createSecureContext;
  tls.createSecureContext = (options?: SecureContextOptions) => {
    const context = create(options);
    watch(addressOf(context), callback);
    return context;
  };
  syncBuiltinESMExports();
}

/** Arguments of a callback for messages of TLS: SSL_CTX_set_msg_callback(3). */
type Message = [
  isOwn: number,
  version: number,
  record: number,
  bytes: unknown,
  size: number | bigint,
  ssl: unknown,
  later: number,
];

/** Bounds the length of the chains that are verified. */
function boundDepth(openssl: ReturnType<typeof koffi.load>): void {
  const create = openssl.func("void *X509_VERIFY_PARAM_new()");
  const lookUp = openssl.func("void *X509_VERIFY_PARAM_lookup(const char *name)");
  const copy = openssl.func("int X509_VERIFY_PARAM_set1(void *to, void *from)");
  const setName = openssl.func("int X509_VERIFY_PARAM_set1_name(void *param, const char *name)");
  const setDepth = openssl.func("void X509_VERIFY_PARAM_set_depth(void *param, int depth)");
  const add = openssl.func("int X509_VERIFY_PARAM_add0_table(void *param)");
  const param = create();
  copy(param, lookUp("default"));
  setName(param, "default");
  setDepth(param, INTERMEDIATES_MAX);
  add(param);
}

/** Returns the address of OpenSSL's SSL_CTX, which Node shows only as text. */
function addressOf({ context }: SecureContext): bigint {
  const shown = inspect((context as { readonly _external: unknown })._external);
  const [, address] = /^\[External: (?:0x)?([0-9a-f]+)\]$/.exec(shown) ?? [];
  assert(address !== undefined, `a context of TLS has no address: ${shown}`);
  return BigInt(`0x${address}`);
}
