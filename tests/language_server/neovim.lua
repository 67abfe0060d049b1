-- Open a text in Neovim with the language server, and write what happens to a JSON file.
-- vim.g.anet has: rtp, cmd, file, out.

local given = vim.g.anet
local result = {}

local function step(name, condition)
  result[name] = vim.wait(20000, condition, 20)
end

local function text()
  return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\n')
end

local ok, failure = pcall(function()
  vim.opt.runtimepath:prepend(given.rtp)
  require('anet').setup({ cmd = given.cmd, settings = { frames = 16, size = '64' } })
  vim.cmd('edit ' .. vim.fn.fnameescape(given.file))

  step('diagnosed', function() return #vim.diagnostic.get(0) > 0 end)
  local found = vim.diagnostic.get(0)[1]
  result.code, result.line, result.message = found.code, found.lnum, found.message

  vim.api.nvim_win_set_cursor(0, { found.lnum + 1, 0 })
  vim.cmd('AnetExplain')
  result.explained = vim.fn.getline(1)
  vim.cmd('close')

  -- Correct the mistake as a person would: the findings go.
  local line = vim.fn.getline(found.lnum + 1)
  vim.fn.setline(found.lnum + 1, (line:gsub('strid=', 'stride=')))
  step('corrected', function() return #vim.diagnostic.get(0) == 0 end)

  vim.fn.search('node s0')
  vim.cmd('normal! w')
  vim.lsp.buf.rename('stem_rgb')
  step('renamed', function() return text():find('inputs=%[stem_rgb%]') ~= nil end)

  if vim.lsp.buf.format then
    vim.lsp.buf.format({ timeout_ms = 20000 })
  else
    vim.lsp.buf.formatting_sync(nil, 20000)
  end
  result.text = text()

  vim.lsp.buf_request(0, 'textDocument/hover', vim.lsp.util.make_position_params(), function(_, hover)
    result.hover = hover and hover.contents.value
  end)
  step('hovered', function() return result.hover ~= nil end)
end)
if not ok then
  result.failure = tostring(failure)
end
vim.fn.writefile({ vim.json and vim.json.encode(result) or vim.fn.json_encode(result) }, given.out)
vim.cmd('qall!')
