import { messageOf } from "@raft2kube/std/errors.ts";
import { useState } from "preact/hooks";
import { signIn } from "./api.ts";
import { Problem } from "./widgets.tsx";

/** Asks for a token; the page then has its rights. */
export function Login({ done }: { done(): void }) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState<string>();
  const enter = (event: Event) => {
    event.preventDefault();
    signIn(token.trim()).then(done, (thrown: unknown) => setProblem(messageOf(thrown)));
  };
  return (
    <main class="login">
      <h1>raft2kube</h1>
      {isSecureContext ? (
        <form onSubmit={enter}>
          <label>
            Token{" "}
            <input
              type="password"
              autocomplete="off"
              value={token}
              onInput={(event) => setToken(event.currentTarget.value)}
            />
          </label>
          <button class="main" disabled={token.trim() === ""}>
            Sign in
          </button>
        </form>
      ) : (
        <Problem
          text="A token would cross the network in clear text: open this page by
        https, or at localhost by kubectl port-forward."
        />
      )}
      <Problem text={problem} />
      <p class="soft">
        The page has the rights of the token's user, and no others. A service account's:{" "}
        <code>kubectl create token NAME</code>
      </p>
    </main>
  );
}
