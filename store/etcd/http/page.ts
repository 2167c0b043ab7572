/** The response of an HTTP page. */
export type Answer = { status: number; type: string; body: string };

/** Answers a GET with these parameters. */
export type Page = (query: URLSearchParams) => Promise<Answer>;

export const json = (value: unknown): Answer => ({
  status: 200,
  type: "application/json",
  body: JSON.stringify(value),
});
export const text = (body: string, status = 200): Answer => ({
  status,
  type: "text/plain; charset=utf-8",
  body,
});
