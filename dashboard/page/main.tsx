import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import { NAMESPACES } from "@raft2kube/client-kube/rest/resources.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { own } from "@raft2kube/std/own.ts";
import { type ComponentType, options, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { byToken, hasSession, resource, signIn, signOut } from "./api.ts";
import { Detail } from "./detail.tsx";
import { Choice, Form, Input } from "./fields.tsx";
import { discover, type Kind, PODS, SECTIONS } from "./kinds.ts";
import { List } from "./list.tsx";
import { type Command, Palette } from "./palette.tsx";
import { go, type Place, place } from "./place.ts";
import { showUnseen } from "./text.ts";
import { Dialog, later, Problem, useAsked } from "./widgets.tsx";

const Editor = later(() => import("./editor.tsx"));

type Window = "palette" | "create" | undefined;
type Open = (window: Window) => void;
/** Acts of keys; the palette offers those with a title. */
const KEYS: Readonly<Record<string, readonly [act: (open: Open) => void, title?: string]>> = {
  "/": [() => document.getElementById("filter")?.focus(), "Filter by name"],
  c: [(open) => open("create"), "Create from YAML"],
  "?": [(open) => open("palette")],
  "Ctrl k": [(open) => open("palette")],
};
type View = readonly [title: string, view: ComponentType<{ namespace: string }>];
const VIEWS: Readonly<Record<string, View>> = {
  signals: ["API server", later(() => import("./signals.tsx"))],
  store: ["Store", later(() => import("./store.tsx"))],
  rights: ["My rights", later(() => import("./rights.tsx"))],
};
const SPACES_MAX = 1_000;
/** How often kinds and namespaces are asked for again, which may come meanwhile. */
const NEW_EVERY_MS = 10_000;
const MORE = "More";

function useKeys(open: Open): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const { activeElement: focused } = document;
      const isTyped = focused?.closest("input, textarea, select, .terminal, dialog");
      const key = event.ctrlKey || event.metaKey ? `Ctrl ${event.key}` : event.key;
      const [act] = own(KEYS, key) ?? [];
      if (!act || (isTyped && key !== "Ctrl k")) return;
      act(open);
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

function commandsFor(kinds: readonly Kind[], spaces: readonly string[], open: Open): Command[] {
  const to = (title: string, hint: string, place: Place): Command => {
    return [title, hint, () => go({ ...place, name: undefined })];
  };
  return [
    ...Object.entries(KEYS).flatMap(([key, [act, title]]): Command[] =>
      title ? [[title, key, () => act(open)]] : [],
    ),
    ...kinds.map((each) => {
      const kind = groupResourceOf(each);
      return to(each.kind, [kind, ...each.shortNames].join(" "), { view: undefined, kind });
    }),
    ...["", ...spaces].map((ns) => to(ns || "all", "namespace", { ns })),
    ...Object.entries(VIEWS).map(([view, [title]]) => to(title, "view", { view })),
  ];
}

function App() {
  const [at, setAt] = useState(place);
  const [window, open] = useState<Window>();
  useEffect(() => addEventListener("hashchange", () => setAt(place())), []);
  useKeys(open);
  const [kinds, problem] = useAsked(discover, [], NEW_EVERY_MS);
  const listSpaces = async () => {
    const { items } = await resource(NAMESPACES).list({ limit: SPACES_MAX });
    return items.map(({ metadata: { name } }) => name);
  };
  const [spaces, unlisted] = useAsked(listSpaces, [], NEW_EVERY_MS);
  const namespace = at["ns"] ?? "";
  const choose = (ns: string) => go({ ns, name: undefined });
  const shut = () => open(undefined);
  return (
    <div class="frame">
      <header class="top">
        <b class="brand">raft2kube</b>
        <label>
          Namespace{" "}
          {unlisted && !spaces ? (
            <Input label="Namespace" value={namespace} done={choose} />
          ) : (
            <Choice of={spaces ?? []} all="all" value={namespace} set={choose} />
          )}
        </label>
        <button onClick={() => open("palette")}>
          Go to <kbd>Ctrl K</kbd>
        </button>
        <button onClick={() => open("create")}>Create</button>
        {byToken && <button onClick={signOut}>Sign out</button>}
      </header>
      <Menu kinds={kinds ?? []} at={at} />
      <main>
        <Problem text={problem} />
        <Shown kinds={kinds} at={at} namespace={namespace} />
      </main>
      {window === "palette" && (
        <Palette commands={commandsFor(kinds ?? [], spaces ?? [], open)} close={shut} />
      )}
      {window === "create" && (
        <Dialog title="Create from YAML" close={shut}>
          <p>
            Objects without a namespace go to <b>{namespace || "default"}</b>.
          </p>
          <Editor kinds={kinds ?? []} namespace={namespace} />
        </Dialog>
      )}
    </div>
  );
}

function Menu({ kinds, at }: { kinds: readonly Kind[]; at: Place }) {
  const titles = new Map(kinds.map((each) => [groupResourceOf(each), each.kind]));
  const named = Object.values(SECTIONS).join(" ").split(" ");
  const more = [...titles.keys()].filter((key) => !named.includes(key)).sort();
  const now = at["view"] ?? at["kind"] ?? "pods";
  const ns = encodeURIComponent(at["ns"] ?? "");
  const link = (part: "view" | "kind", key: string, title: string) => (
    <a href={`#${part}=${key}&ns=${ns}`} aria-current={key === now ? "page" : undefined}>
      {title}
    </a>
  );
  return (
    <nav class="menu" aria-label="Kinds">
      {Object.entries(VIEWS).map(([view, [title]]) => link("view", view, title))}
      {Object.entries({ ...SECTIONS, [MORE]: more.join(" ") }).map(([title, keys]) => (
        <details open={title !== MORE && innerWidth > 700}>
          <summary>{title}</summary>
          {keys.split(" ").map((key) => titles.has(key) && link("kind", key, titles.get(key)!))}
        </details>
      ))}
    </nav>
  );
}

type ShownProps = { kinds: readonly Kind[] | undefined; at: Place; namespace: string };

function Shown({ kinds: known, at, namespace }: ShownProps) {
  const [title, View] = own(VIEWS, at["view"] ?? "") ?? [];
  if (View) return [<h1 class="bar">{title}</h1>, <View namespace={namespace} />];
  const { kind: key = "pods", labels: selector = "", name, of = "" } = at;
  const kinds = known ?? [PODS];
  const kind = kinds.find((each) => groupResourceOf(each) === key);
  if (!kind) return known ? <Problem text={`this server has no ${key}`} /> : null;
  const close = () => go({ name: undefined, of: undefined });
  const listed = { kind, namespace, selector };
  const opened = { kind, kinds, namespace: of, close };
  return [
    <List key={`${key} ${namespace} ${selector}`} {...listed} />,
    name && <Detail key={`${key} ${of} ${name}`} {...opened} name={name} />,
  ];
}

const CLEAR =
  "A token would cross the network in clear text: open this page by https, or at localhost by " +
  "kubectl port-forward.";

const Login = ({ done }: { done(): void }) => (
  <main class="login">
    <h1>raft2kube</h1>
    {isSecureContext ? (
      <Form act="Sign in" run={({ token = "" }) => signIn(token.trim()).then(done)}>
        <label>
          Token{" "}
          <input type="password" name="token" autocomplete="off" pattern="\s*\S+\s*" required />
        </label>
      </Form>
    ) : (
      <Problem text={CLEAR} />
    )}
    <p class="soft">
      The page has the rights of the token's user, and no others. A service account's:{" "}
      <code>kubectl create token NAME</code>
    </p>
  </main>
);

showUnseen();
// A stream may change it many times until the next frame; what is pressed sees what was typed.
let draw = () => {};
options.debounceRendering = (process) => void requestAnimationFrame((draw = process));
for (const type of ["click", "keydown"]) addEventListener(type, () => draw(), true);
const app = document.getElementById("app")!;
const show = () => render(<App />, app);
// A link does not sign people in where they have tokens: they would be the one who made it.
const ticket = byToken ? undefined : /^#ticket=([\w-]+)$/.exec(location.hash)?.[1];
if (ticket !== undefined) history.replaceState(null, "", "/");
if (byToken && !hasSession()) render(<Login done={show} />, app);
else {
  const refused = (thrown: unknown) => render(<Problem text={messageOf(thrown)} />, app);
  Promise.resolve(ticket && signIn(ticket)).then(show, refused);
}
