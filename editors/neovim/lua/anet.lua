-- The language server of AnetDSL in Neovim 0.7 or newer. editors/README.md explains how to use it.

local M = {}

local defaults = {
  cmd = { 'anetc', 'lsp' },
  settings = {}, -- frames, size, search, allow: docs/cli.md, "anetc lsp"
  on_attach = nil,
}

local clients = {} -- In Neovim 0.7: the client of each root folder.

local function root_of(buffer)
  local name = vim.api.nvim_buf_get_name(buffer)
  return name ~= '' and vim.fn.fnamemodify(name, ':p:h') or vim.fn.getcwd()
end

local function attach(buffer, options)
  local root = root_of(buffer)
  local config = {
    name = 'anet',
    cmd = options.cmd,
    root_dir = root,
    init_options = next(options.settings) and options.settings or vim.empty_dict(),
    settings = { anet = options.settings },
    on_attach = options.on_attach,
  }
  if vim.lsp.start then
    vim.lsp.start(config, { bufnr = buffer })
    return
  end
  local id = clients[root]
  if not (id and vim.lsp.get_client_by_id(id)) then
    id = vim.lsp.start_client(config)
    clients[root] = id
  end
  if id then
    vim.lsp.buf_attach_client(buffer, id)
  end
end

-- Show the explanation of the finding on the line of the cursor, or of a code, in a new window.
function M.explain(code)
  if not code or code == '' then
    local line = vim.api.nvim_win_get_cursor(0)[1] - 1
    local found = vim.diagnostic.get(0, { lnum = line })[1]
    code = found and found.code
  end
  if not code then
    vim.notify('There is no finding on this line.')
    return
  end
  local command = {}
  for _, word in ipairs(M.options.cmd) do
    if word ~= 'lsp' then
      table.insert(command, word)
    end
  end
  vim.list_extend(command, { 'explain', code })
  local text = vim.fn.systemlist(command)
  vim.cmd('new')
  vim.bo.buftype, vim.bo.bufhidden, vim.bo.swapfile = 'nofile', 'wipe', false
  vim.api.nvim_buf_set_lines(0, 0, -1, false, text)
  vim.bo.modifiable = false
end

function M.setup(options)
  M.options = vim.tbl_deep_extend('force', defaults, options or {})
  local group = vim.api.nvim_create_augroup('anet', { clear = true })
  vim.api.nvim_create_autocmd({ 'BufRead', 'BufNewFile' }, {
    group = group,
    pattern = '*.anet',
    command = 'setfiletype anet',
  })
  vim.api.nvim_create_autocmd('FileType', {
    group = group,
    pattern = 'anet',
    callback = function(event)
      attach(event.buf, M.options)
    end,
  })
  vim.api.nvim_create_user_command('AnetExplain', function(command)
    M.explain(command.args)
  end, { nargs = '?', desc = 'Explain the finding on this line' })
end

return M
