// The API's operations, by Swagger UI. Who is signed in tries them with the cookie, anybody else with a token.

const { SwaggerUIBundle } = window;
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#operations",
  docExpansion: "none",
  filter: true,
  displayRequestDuration: true,
});
