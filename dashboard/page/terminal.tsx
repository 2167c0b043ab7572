import type { Container } from "@raft2kube/api/gen/core/v1.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import { queryString } from "@raft2kube/client-kube/rest/query.ts";
import { resourcePath } from "@raft2kube/client-kube/rest/resource.ts";
import { PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal as Screen } from "@xterm/xterm";
import { useEffect, useRef, useState } from "preact/hooks";
import { type AnyObject, containersOf, openSocket } from "./api.ts";
import { Check, Choice } from "./fields.tsx";
import type { Target } from "./kinds.ts";
import { Problem } from "./widgets.tsx";

/** Channels of the API server's streams: the first byte of each message. */
const [STDIN, STDOUT, STDERR, STATUS, RESIZE] = [0, 1, 2, 3, 4] as const;
/** The input of a message: the server ends a connection for one of more than a MiB. */
const INPUT_BYTES_MAX = 64 << 10;
const SHELL = ["sh", "-c", "command -v bash >/dev/null && exec bash; exec sh"]
  .map((word) => `&command=${encodeURIComponent(word)}`)
  .join("");

/** A screen writes style sheets, which the page's policy admits with its nonce alone. */
const { nonce } = document.querySelector<HTMLScriptElement>("script[nonce]")!;
const create = document.createElement.bind(document) as (tag: string) => HTMLElement;
const withNonce = (tag: string) => Object.assign(create(tag), tag === "style" ? { nonce } : {});
document.createElement = withNonce as typeof document.createElement;

export default function Terminal({ object: pod }: Target) {
  const containers = containersOf(pod);
  const [container, setContainer] = useState(containers[0]!);
  const [attached, attach] = useState(false);
  const [end, setEnd] = useState<string>();
  const [tries, setTries] = useState(0);
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    setEnd(undefined);
    return open(ref.current!, socketPath(pod, container, attached), setEnd);
  }, [container.name, attached, tries]);
  return (
    <>
      <div class="bar">
        <Choice
          aria-label="Container"
          of={containers.map(({ name }) => name)}
          set={(name) => setContainer(containers.find((each) => each.name === name)!)}
        />
        <Check label="attach to its process" value={attached} set={attach} />
        <button onClick={() => setTries(tries + 1)}>Connect again</button>
      </div>
      <Problem text={end} />
      <div class="terminal" ref={ref} role="application" aria-label="Terminal" />
    </>
  );
}

function socketPath(pod: AnyObject, of: Container, attached: boolean): string {
  const { name: container, stdin = false, tty = false } = of;
  const path = resourcePath(PODS, { ...nameOf(pod), subresource: attached ? "attach" : "exec" });
  const streams = attached ? { stdin, tty, stderr: !tty } : { stdin: true, tty: true };
  const query = queryString({ container, stdout: true, ...streams });
  return `/socket${path}${query}${attached ? "" : SHELL}`;
}

/** Connects a screen; the function that is returned ends it. */
function open(place: HTMLElement, path: string, onEnd: (why: string) => void): () => void {
  const screen = new Screen({
    fontFamily: "ui-monospace, 'DejaVu Sans Mono', monospace",
    fontSize: 13,
    convertEol: true,
    scrollback: 5_000,
    screenReaderMode: true,
    // A program in the container writes the screen: links in it do not open.
    linkHandler: { activate: () => {} },
  });
  const fit = new FitAddon();
  screen.loadAddon(fit);
  screen.open(place);
  const socket = openSocket(path, "v4.channel.k8s.io");
  const send = (channel: number, text: string) => {
    if (socket.readyState !== WebSocket.OPEN) return;
    const data = new TextEncoder().encode(text);
    for (let at = 0; at < data.length; at += INPUT_BYTES_MAX) {
      const part = data.subarray(at, at + INPUT_BYTES_MAX);
      socket.send(new Blob([Uint8Array.of(channel), part]));
    }
  };
  const resize = () => {
    fit.fit();
    send(RESIZE, JSON.stringify({ Width: screen.cols, Height: screen.rows }));
  };
  const observer = new ResizeObserver(resize);
  observer.observe(place);
  socket.onopen = () => {
    resize();
    screen.focus();
  };
  screen.onData((text) => send(STDIN, text));
  let status = "";
  socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
    const [channel] = new Uint8Array(data, 0, 1);
    if (channel === STATUS) status = messageIn(new TextDecoder().decode(data.slice(1)));
    else if (channel === STDOUT || channel === STDERR) screen.write(new Uint8Array(data, 1));
  };
  socket.onclose = ({ reason }) => onEnd(status || reason || "the connection has ended");
  return () => {
    socket.onclose = socket.onmessage = null;
    socket.close();
    observer.disconnect();
    screen.dispose();
  };
}

function messageIn(text: string): string {
  const { status, message } = JSON.parse(text) as { status?: string; message?: string };
  return status === "Success" ? "the program has ended" : (message ?? "the program has failed");
}
